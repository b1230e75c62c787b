/*
 * installers.c - the installers answers can be written for: what each reads, where, and how its kernel is started.
 *
 * Source: Debian GNU/Linux Installation Guide, 5.3 and appendix B (preseeding). Anaconda boot options and the kickstart
 * syntax reference of pykickstart. AutoYaST Guide: "The AutoYaST boot process", "The profile". Ubuntu autoinstall
 * reference, and cloud-init's NoCloud data source.
 * Windows: windows.c. Left out: live discs.
 */
#include <string.h>

#include "frontends/VBoxManage/unattended/unattended.h"

static const char debian[] = "# Answers for the Debian installer.\n"
                             "d-i debian-installer/locale string @@VBOX_INSERT_LOCALE@@\n"
                             "d-i debian-installer/country string @@VBOX_INSERT_COUNTRY@@\n"
                             "d-i keyboard-configuration/xkb-keymap select us\n"
                             "d-i netcfg/choose_interface select auto\n"
                             "d-i netcfg/get_hostname string @@VBOX_INSERT_HOSTNAME_WITHOUT_DOMAIN@@\n"
                             "d-i netcfg/get_domain string @@VBOX_INSERT_HOSTNAME_DOMAIN@@\n"
                             "d-i netcfg/hostname string @@VBOX_INSERT_HOSTNAME_WITHOUT_DOMAIN@@\n"
                             "d-i hw-detect/load_firmware boolean false\n"
                             "d-i mirror/country string manual\n"
                             "d-i mirror/http/hostname string deb.debian.org\n"
                             "d-i mirror/http/directory string /debian\n"
                             "d-i mirror/http/proxy string @@VBOX_INSERT_PROXY@@\n"
                             "d-i apt-setup/cdrom/set-first boolean false\n"
                             "d-i passwd/root-login boolean true\n"
                             "d-i passwd/root-password-crypted password @@VBOX_INSERT_ROOT_PASSWORD_SHACRYPT512@@\n"
                             "d-i passwd/make-user boolean true\n"
                             "d-i passwd/user-fullname string @@VBOX_INSERT_USER_FULL_NAME@@\n"
                             "d-i passwd/username string @@VBOX_INSERT_USER_LOGIN@@\n"
                             "d-i passwd/user-password-crypted password @@VBOX_INSERT_USER_PASSWORD_SHACRYPT512@@\n"
                             "d-i clock-setup/utc boolean @@VBOX_INSERT_RTC_USE_UTC@@\n"
                             "d-i time/zone string @@VBOX_INSERT_TIME_ZONE_UX@@\n"
                             "d-i clock-setup/ntp boolean true\n"
                             "d-i partman-auto/method string regular\n"
                             "d-i partman-auto/choose_recipe select atomic\n"
                             "d-i partman-partitioning/confirm_write_new_label boolean true\n"
                             "d-i partman/choose_partition select finish\n"
                             "d-i partman/confirm boolean true\n"
                             "d-i partman/confirm_nooverwrite boolean true\n"
                             "tasksel tasksel/first multiselect @@VBOX_INSERT_PACKAGES@@\n"
                             "popularity-contest popularity-contest/participate boolean false\n"
                             "d-i grub-installer/only_debian boolean true\n"
                             "d-i grub-installer/bootdev string default\n"
                             "d-i preseed/late_command string @@VBOX_INSERT_POST_COMMAND@@\n"
                             "d-i cdrom-detect/eject boolean true\n"
                             "d-i finish-install/reboot_in_progress note\n";

static const char kickstart[] = "# Answers for Anaconda.\n"
                                "text\n"
                                "cdrom\n"
                                "lang @@VBOX_INSERT_LOCALE@@.UTF-8\n"
                                "keyboard us\n"
                                "timezone @@VBOX_INSERT_TIME_ZONE_UX@@ --utc\n"
                                "network --bootproto=dhcp --hostname=@@VBOX_INSERT_HOSTNAME_FQDN@@\n"
                                "rootpw --iscrypted @@VBOX_INSERT_ROOT_PASSWORD_SHACRYPT512@@\n"
                                "user --name=@@VBOX_INSERT_USER_LOGIN@@ --groups=wheel --iscrypted "
                                "--password=@@VBOX_INSERT_USER_PASSWORD_SHACRYPT512@@ "
                                "--gecos=\"@@VBOX_INSERT_USER_FULL_NAME@@\"\n"
                                "firstboot --disable\n"
                                "zerombr\n"
                                "clearpart --all --initlabel\n"
                                "autopart\n"
                                "bootloader --location=mbr\n"
                                "reboot --eject\n"
                                "%packages\n"
                                "@core\n"
                                "%end\n"
                                "%post\n"
                                "@@VBOX_INSERT_POST_COMMAND@@\n"
                                "%end\n";

static const char autoyast[] =
    "<?xml version=\"1.0\"?>\n"
    "<!DOCTYPE profile>\n"
    "<profile xmlns=\"http://www.suse.com/1.0/yast2ns\" xmlns:config=\"http://www.suse.com/1.0/configns\">\n"
    "  <general><mode><confirm config:type=\"boolean\">false</confirm></mode></general>\n"
    "  <language><language>@@VBOX_INSERT_LOCALE@@</language></language>\n"
    "  <timezone><hwclock>UTC</hwclock><timezone>@@VBOX_INSERT_TIME_ZONE_UX@@</timezone></timezone>\n"
    "  <networking>\n"
    "    <dns><hostname>@@VBOX_INSERT_HOSTNAME_WITHOUT_DOMAIN@@</hostname>"
    "<domain>@@VBOX_INSERT_HOSTNAME_DOMAIN@@</domain></dns>\n"
    "    <keep_install_network config:type=\"boolean\">true</keep_install_network>\n"
    "  </networking>\n"
    "  <partitioning config:type=\"list\"><drive><use>all</use></drive></partitioning>\n"
    "  <users config:type=\"list\">\n"
    "    <user><username>root</username><encrypted config:type=\"boolean\">true</encrypted>"
    "<user_password>@@VBOX_INSERT_ROOT_PASSWORD_SHACRYPT512@@</user_password></user>\n"
    "    <user><username>@@VBOX_INSERT_USER_LOGIN@@</username><fullname>@@VBOX_INSERT_USER_FULL_NAME@@</fullname>"
    "<encrypted config:type=\"boolean\">true</encrypted>"
    "<user_password>@@VBOX_INSERT_USER_PASSWORD_SHACRYPT512@@</user_password></user>\n"
    "  </users>\n"
    "  <scripts><chroot-scripts config:type=\"list\"><script><filename>post.sh</filename>"
    "<chrooted config:type=\"boolean\">true</chrooted>"
    "<source>@@VBOX_INSERT_POST_COMMAND_ESCAPED@@</source></script></chroot-scripts></scripts>\n"
    "</profile>\n";

static const char autoinstall[] = "#cloud-config\n"
                                  "autoinstall:\n"
                                  "  version: 1\n"
                                  "  locale: \"@@VBOX_INSERT_LOCALE@@.UTF-8\"\n"
                                  "  keyboard: {layout: us}\n"
                                  "  timezone: \"@@VBOX_INSERT_TIME_ZONE_UX@@\"\n"
                                  "  proxy: \"@@VBOX_INSERT_PROXY@@\"\n"
                                  "  identity:\n"
                                  "    hostname: \"@@VBOX_INSERT_HOSTNAME_WITHOUT_DOMAIN@@\"\n"
                                  "    username: \"@@VBOX_INSERT_USER_LOGIN@@\"\n"
                                  "    realname: \"@@VBOX_INSERT_USER_FULL_NAME@@\"\n"
                                  "    password: \"@@VBOX_INSERT_USER_PASSWORD_SHACRYPT512@@\"\n"
                                  "  ssh: {install-server: true}\n"
                                  "  storage: {layout: {name: direct}}\n"
                                  "  shutdown: reboot\n"
                                  "  late-commands:\n"
                                  "    - \"@@VBOX_INSERT_POST_COMMAND_ESCAPED@@\"\n";

static const struct unattended_installer installers[] = {
    {.name = "debian",
     .script = debian,
     .file = "/preseed.cfg",
     .boot = "auto=true priority=critical file=/cdrom/preseed.cfg",
     .last = " --- quiet",
     .kernels = {{"/install.amd/vmlinuz", "/install.amd/initrd.gz"},
                 {"/install.386/vmlinuz", "/install.386/initrd.gz"},
                 {"/install.a64/vmlinuz", "/install.a64/initrd.gz"}},
     .isolinux = "/isolinux/isolinux.cfg",
     .grub = "/boot/grub/grub.cfg"},
    {.name = "kickstart",
     .script = kickstart,
     .escape = ESCAPE_QUOTES,
     .file = "/ks.cfg",
     .boot = "inst.repo=cdrom inst.ks=cdrom:/ks.cfg",
     .last = "",
     .kernels = {{"/isolinux/vmlinuz", "/isolinux/initrd.img"},
                 {"/images/pxeboot/vmlinuz", "/images/pxeboot/initrd.img"}},
     .isolinux = "/isolinux/isolinux.cfg",
     .grub = "/boot/grub2/grub.cfg"},
    {.name = "autoyast",
     .script = autoyast,
     .escape = ESCAPE_XML,
     .file = "/autoinst.xml",
     .boot = "install=cd:/ autoyast=relurl://autoinst.xml",
     .last = "",
     .kernels = {{"/boot/x86_64/loader/linux", "/boot/x86_64/loader/initrd"}},
     .isolinux = "/boot/x86_64/loader/isolinux.cfg",
     .grub = "/boot/x86_64/grub2/grub.cfg"},
    {.name = "autoinstall",
     .script = autoinstall,
     .escape = ESCAPE_QUOTES,
     .file = "/nocloud/user-data",
     .beside = "/nocloud/meta-data",
     .boot = "autoinstall \"ds=nocloud;s=/cdrom/nocloud/\"",
     .last = "",
     .kernels = {{"/casper/vmlinuz", "/casper/initrd"}},
     .isolinux = "/isolinux/isolinux.cfg",
     .grub = "/boot/grub/grub.cfg"},
    {.name = "windows",
     .script = unattended_windows_script,
     .escape = ESCAPE_XML,
     .floppy = true,
     .fill = unattended_windows_fill},
};

const struct unattended_installer *unattended_installer_find(const char *name)
{
    for (unsigned k = 0; k < G_N_ELEMENTS(installers); k++)
        if (strcmp(installers[k].name, name) == 0)
            return &installers[k];
    return NULL;
}
