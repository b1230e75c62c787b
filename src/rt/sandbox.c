/*
 * sandbox.c - the parts of the sandbox, one after the other; seccomp last, because it forbids what the others need.
 *
 * Sources: prctl(2) PR_SET_NO_NEW_PRIVS, PR_SET_MDWE (since Linux 6.3); seccomp(2), SECCOMP_FILTER_FLAG_TSYNC;
 * seccomp_rule_add(3). A refused call fails with EPERM instead of ending the process: a library that tries something
 * optional goes on without it.
 */
#include "rt/sandbox.h"

#include <errno.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "rt/sandbox_int.h"

#ifndef PR_SET_MDWE
#define PR_SET_MDWE              65
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif

static int no_core(const struct sandbox_conf *conf, GString *detail)
{
    const struct rlimit none = {0, 0};

    (void)conf, (void)detail;
    return setrlimit(RLIMIT_CORE, &none) ? errno : 0;
}

static int no_privileges(const struct sandbox_conf *conf, GString *detail)
{
    (void)conf, (void)detail;
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ? errno : 0;
}

static int no_exec_gain(const struct sandbox_conf *conf, GString *detail)
{
    (void)conf, (void)detail;
    return prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) ? errno : 0;
}

static int folders_only(const struct sandbox_conf *conf, GString *detail)
{
    return landlock_apply(conf->folders, detail);
}

static int add_calls(scmp_filter_ctx filter, const struct sandbox_call *calls, unsigned *ret_count)
{
    int rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0); /* libc then takes clone */

    for (*ret_count = 0; rc == 0 && calls->number >= 0; calls++, ++*ret_count) {
        if (calls->mask)
            rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls->number, 1,
                                  SCMP_CMP(calls->arg, SCMP_CMP_MASKED_EQ, calls->mask, calls->value));
        else
            rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls->number, 0);
    }
    return rc;
}

static int calls_only(const struct sandbox_conf *conf, GString *detail)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    unsigned count = 0;
    int rc;

    if (filter == NULL)
        return ENOMEM;
    rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1); /* all threads or none */
    if (rc == 0)
        rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree, not a list */
    if (rc == 0)
        rc = seccomp_attr_set(filter, SCMP_FLTATR_API_SYSRAWRC, 1); /* the kernel's own reason */
    if (rc == 0)
        rc = add_calls(filter, conf->calls, &count);
    if (rc == 0)
        rc = seccomp_load(filter);
    seccomp_release(filter);
    g_string_append_printf(detail, "%u rules", count);
    return -rc;
}

unsigned sandbox_enter(const struct sandbox_conf *conf, GString *ret_words)
{
    static const struct {
        enum sandbox_part part;
        const char *name;
        int (*apply)(const struct sandbox_conf *conf, GString *detail);
    } parts[] = {
        {SANDBOX_CORE, "no core files", no_core}, {SANDBOX_PRIVILEGES, "no new privileges", no_privileges},
        {SANDBOX_MDWE, "MDWE", no_exec_gain},     {SANDBOX_LANDLOCK, "Landlock", folders_only},
        {SANDBOX_SECCOMP, "seccomp", calls_only},
    };
    g_autoptr(GString) missing = g_string_new(NULL);
    unsigned in_force = 0;

    g_string_append(ret_words, "in force:");
    for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
        g_autoptr(GString) detail = g_string_new(NULL);
        int err = parts[i].apply(conf, detail);

        if (err) {
            g_string_append_printf(missing, "%s %s (%s)", missing->len ? "," : "", parts[i].name, g_strerror(err));
            continue;
        }
        g_string_append_printf(ret_words, "%s %s%s%s%s", in_force ? "," : "", parts[i].name, detail->len ? " (" : "",
                               detail->str, detail->len ? ")" : "");
        in_force |= 1u << parts[i].part;
    }
    if (missing->len)
        g_string_append_printf(ret_words, "; missing:%s", missing->str);
    return in_force;
}
