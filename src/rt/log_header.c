/*
 * log_header.c - the opening block of a machine's log: program, time, host.
 *
 * Sources: uname(2), sysinfo(2), /proc/meminfo, /sys/class/dmi/id, /etc/os-release. What the host does not tell is
 * left empty; nothing here fails.
 */
#include "rt/log.h"

#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

static char *read_line(const char *path)
{
    char *text = NULL;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return g_strdup("");
    text[strcspn(text, "\n")] = '\0';
    return text;
}

/* @key as in /proc/meminfo; in MB. */
static uint64_t mem_mb(const char *meminfo, const char *key)
{
    const char *at = strstr(meminfo, key);

    return at ? g_ascii_strtoull(at + strlen(key), NULL, 10) / 1024 : 0;
}

static void host_memory(struct log *log)
{
    g_autofree char *text = NULL;
    uint64_t total, available;

    if (!g_file_get_contents("/proc/meminfo", &text, NULL, NULL))
        return;
    total = mem_mb(text, "MemTotal:");
    available = mem_mb(text, "MemAvailable:");
    log_write(log, "Host RAM: %lluMB (%.1fGB) total, %lluMB (%.1fGB) available", (unsigned long long)total,
              (double)total / 1024, (unsigned long long)available, (double)available / 1024);
}

static void opened(struct log *log)
{
    struct timespec ts;
    struct tm tm;
    char buf[32];

    clock_gettime(CLOCK_REALTIME, &ts);
    gmtime_r(&ts.tv_sec, &tm);
    strftime(buf, sizeof(buf), "%Y-%m-%dT%H:%M:%S", &tm);
    log_write(log, "Log opened %s.%09ldZ", buf, ts.tv_nsec);
}

void log_header(struct log *log, const char *product, const char *build_date, const char *package)
{
    struct utsname un = {0};
    char exe[1024] = "";
    ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    g_autofree char *name = read_line("/sys/class/dmi/id/product_name");
    g_autofree char *version = read_line("/sys/class/dmi/id/product_version");

    exe[MAX(n, 0)] = '\0';
    uname(&un);
    log_write(log, "%s linux.amd64 (%s) release log", product, build_date);
    opened(log);
    log_write(log, "Build Type: release");
    log_write(log, "OS Product: %s", un.sysname);
    log_write(log, "OS Release: %s", un.release);
    log_write(log, "OS Version: %s", un.version);
    log_write(log, "DMI Product Name: %s", name);
    log_write(log, "DMI Product Version: %s", version);
    host_memory(log);
    log_write(log, "Executable: %s", exe);
    log_write(log, "Process ID: %d", (int)getpid());
    log_write(log, "Package type: %s", package);
    log_write(log, "Installed Extension Packs:");
    log_write(log, "  None installed!");
}
