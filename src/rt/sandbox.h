/*
 * sandbox.h - a process gives up, for good and for all its threads, whatever it needs no longer once it is set up.
 *
 * What is applied, each part where the kernel has it (doc/sandbox.md): no core files, no new privileges, no memory that
 * becomes executable later (MDWE), only some folders (Landlock), only some system calls (seccomp). Code memory made
 * before or after, mapped twice (codemem.h), is not affected: nothing is ever writable and executable at once.
 * Threads: sandbox_enter() once, from any thread, while others may run; threads made later inherit it.
 */
#ifndef RT_SANDBOX_H
#define RT_SANDBOX_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>

/** A system call that stays possible; with @mask, if (argument @arg & @mask) == @value. Several rows of a call: any. */
struct sandbox_call {
    int number; /* SYS_* */
    uint8_t arg;
    uint64_t mask, value;
};
#define SANDBOX_ANY(call)                                                                                              \
    {                                                                                                                  \
        .number = SYS_##call                                                                                           \
    }
#define SANDBOX_IF(call, n, bits, val)                                                                                 \
    {                                                                                                                  \
        .number = SYS_##call, .arg = n, .mask = bits, .value = val                                                     \
    }
#define SANDBOX_CALLS_END                                                                                              \
    {                                                                                                                  \
        .number = -1                                                                                                   \
    }

/**
 * A folder in which files may be made, replaced and removed; whether their content can be read, too. Or a single file
 * that may be opened again for reading and writing.
 */
struct sandbox_folder {
    const char *path; /* NULL ends the list */
    bool read;
    bool file;
};

struct sandbox_conf {
    /* All others fail with EPERM. With futex and rt_sigreturn: a thread may still be on its way back from our handler.
     */
    const struct sandbox_call *calls;
    const struct sandbox_folder *folders;
};

enum sandbox_part { SANDBOX_CORE, SANDBOX_PRIVILEGES, SANDBOX_MDWE, SANDBOX_LANDLOCK, SANDBOX_SECCOMP, SANDBOX_PARTS };

/**
 * sandbox_enter() - applies every part there is; a part the kernel or a container refuses is left out.
 * @ret_words: a line for the log that says what is in force and what is missing, and why.
 * Return: the parts in force, 1 << enum sandbox_part.
 */
unsigned sandbox_enter(const struct sandbox_conf *conf, GString *ret_words);

#endif
