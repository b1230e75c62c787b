/*
 * detect.c - which system an installation disc holds.
 *
 * Asked is libosinfo (osinfo-detect) where it is installed; otherwise the disc's label, which has the system's name.
 * Source: ECMA-119, 8.4 (primary volume descriptor: volume identifier).
 */
#include "frontends/VBoxManage/unattended/unattended.h"

#include <stdio.h>
#include <string.h>

#define LABEL_AT    (16 * 2048 + 40)
#define LABEL_BYTES 32

/* The longest that fits counts, so versions come before their families. */
static const struct unattended_system systems[] = {
    {"debian.org/debian/13", "Debian_64", "13", "debian"},
    {"debian.org/debian/12", "Debian12_64", "12", "debian"},
    {"debian.org/debian/11", "Debian11_64", "11", "debian"},
    {"debian.org/debian/10", "Debian10_64", "10", "debian"},
    {"debian.org/debian", "Debian_64", "", "debian"},
    {"ubuntu.com/ubuntu/22.04", "Ubuntu22_LTS_64", "22.04", "autoinstall"},
    {"ubuntu.com/ubuntu/20.04", "Ubuntu20_LTS_64", "20.04", "autoinstall"},
    {"ubuntu.com/ubuntu", "Ubuntu_64", "", "autoinstall"},
    {"fedoraproject.org/fedora-live", "Fedora_64", "", NULL},
    {"fedoraproject.org/fedora", "Fedora_64", "", "kickstart"},
    {"redhat.com/rhel", "RedHat_64", "", "kickstart"},
    {"centos.org", "RedHat_64", "", "kickstart"},
    {"opensuse.org", "OpenSUSE_64", "", "autoyast"},
    {"archlinux.org", "ArchLinux_64", "", NULL},
    {"freebsd.org", "FreeBSD_64", "", NULL},
    {"openbsd.org", "OpenBSD_64", "", NULL},
    {"netbsd.org", "NetBSD_64", "", NULL},
    {"microsoft.com/win/11", "Windows11_64", "11", "windows"},
    {"microsoft.com/win/10", "Windows10_64", "10", "windows"},
    {"microsoft.com/win/8.1", "Windows81_64", "8.1", "windows"},
    {"microsoft.com/win/8", "Windows8_64", "8", "windows"},
    {"microsoft.com/win/7", "Windows7_64", "7", "windows"},
    {"microsoft.com/win/vista", "WindowsVista_64", "Vista", "windows"},
    {"microsoft.com/win/xp", "WindowsXP", "XP", NULL},
    {"microsoft.com/win/2k22", "Windows2022_64", "2022", "windows"},
    {"microsoft.com/win/2k19", "Windows2019_64", "2019", "windows"},
    {"microsoft.com/win/2k16", "Windows2016_64", "2016", "windows"},
    {"microsoft.com/win/2k12", "Windows2012_64", "2012", "windows"},
    {"microsoft.com/win/2k8", "Windows2008_64", "2008", "windows"},
};

/* "http://debian.org/debian/12"; g_free. NULL: osinfo-detect is not there or does not know. */
static char *ask_libosinfo(const char *iso)
{
    static const char key[] = "OSINFO_INSTALLER=";
    char *argv[] = {"osinfo-detect", "--format=env", (char *)iso, NULL};
    g_autofree char *out = NULL;

    if (!g_spawn_sync(NULL, argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL, &out, NULL, NULL,
                      NULL))
        return NULL;
    const char *at = out != NULL ? strstr(out, key) : NULL;
    return at != NULL ? g_strndup(at + strlen(key), strcspn(at + strlen(key), "\n")) : NULL;
}

/* "Debian 12.5.0 amd64 n" as libosinfo would call it; g_free. */
static char *by_label(const char *iso)
{
    static const struct {
        const char *label, *id;
    } names[] = {{"Debian ", "debian.org/debian"},        {"Ubuntu ", "ubuntu.com/ubuntu"},
                 {"Ubuntu-Server ", "ubuntu.com/ubuntu"}, {"Fedora-WS-Live", "fedoraproject.org/fedora-live"},
                 {"Fedora-", "fedoraproject.org/fedora"}, {"CentOS ", "centos.org"},
                 {"openSUSE-", "opensuse.org"},           {"ARCH_", "archlinux.org"},
                 {"CENA_X", "microsoft.com/win/10"},      {"CCCOMA_X", "microsoft.com/win/10"},
                 {"CPBA_X", "microsoft.com/win/11"},      {"CPRA_X", "microsoft.com/win/11"}};
    char label[LABEL_BYTES + 1] = {0};
    FILE *f = fopen(iso, "re");
    bool ok = f != NULL && fseek(f, LABEL_AT, SEEK_SET) == 0 && fread(label, 1, LABEL_BYTES, f) == LABEL_BYTES;

    if (f != NULL)
        fclose(f);
    for (unsigned k = 0; ok && k < G_N_ELEMENTS(names); k++)
        if (g_str_has_prefix(label, names[k].label)) {
            const char *version = label + strlen(names[k].label);
            size_t digits = strspn(version, "0123456789");
            if (version[digits] == '.' && k > 0) /* Ubuntu's are year and month */
                digits += 1 + strspn(version + digits + 1, "0123456789");
            return g_strdup_printf("%s/%.*s", names[k].id, (int)digits, version);
        }
    return NULL;
}

const struct unattended_system *unattended_detect(const char *iso)
{
    g_autofree char *id = ask_libosinfo(iso);

    if (id == NULL)
        id = by_label(iso);
    for (unsigned k = 0; id != NULL && k < G_N_ELEMENTS(systems); k++)
        if (strstr(id, systems[k].id) != NULL)
            return &systems[k];
    return NULL;
}
