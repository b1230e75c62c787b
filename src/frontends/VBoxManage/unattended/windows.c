/*
 * windows.c - the answers for the setup of Windows Vista and all after it: autounattend.xml.
 *
 * Setup looks for a file of that name on every drive with a removable medium; here it is a floppy, and the disc stays
 * as it is. Passwords stand in it as setup's own tools write them: base64, which hides them from a glance and no more.
 *
 * Source: Microsoft "Unattended Windows Setup Reference". Time zones: Unicode CLDR, windowsZones.
 * Left out: Windows XP and older (winnt.sif), domains, discs whose setup asks for a language first.
 */
#include <string.h>

#include "frontends/VBoxManage/unattended/unattended.h"

/* Setup takes the component of its own architecture. */
#define COMPONENT(name)                                                                                                \
    "    <component name=\"" name "\" processorArchitecture=\"@@VBOX_INSERT_ARCHITECTURE@@\" "                         \
    "publicKeyToken=\"31bf3856ad364e35\" language=\"neutral\" versionScope=\"nonSxS\">\n"

const char unattended_windows_script[] =
    "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"
    "<unattend xmlns=\"urn:schemas-microsoft-com:unattend\" "
    "xmlns:wcm=\"http://schemas.microsoft.com/WMIConfig/2002/State\">\n"
    "  <settings pass=\"windowsPE\">\n" COMPONENT(
        "Microsoft-Windows-International-Core-WinPE") "      "
                                                      "<SetupUILanguage><UILanguage>@@VBOX_INSERT_LANGUAGE@@</"
                                                      "UILanguage></SetupUILanguage>\n"
                                                      "      <InputLocale>@@VBOX_INSERT_LOCALE_DASH@@</InputLocale>\n"
                                                      "      <SystemLocale>@@VBOX_INSERT_LOCALE_DASH@@</SystemLocale>\n"
                                                      "      <UILanguage>@@VBOX_INSERT_LANGUAGE@@</UILanguage>\n"
                                                      "      <UserLocale>@@VBOX_INSERT_LOCALE_DASH@@</UserLocale>\n"
                                                      "    </component>\n" COMPONENT(
                                                          "Microsoft-Windows-Setup") "@@VBOX_INSERT_LAB_CONFIG@@"
                                                                                     "@@VBOX_INSERT_DISK_CONFIGURATION@"
                                                                                     "@"
                                                                                     "      <ImageInstall><OSImage>\n"
                                                                                     "        <InstallFrom><MetaData "
                                                                                     "wcm:action=\"add\"><Key>/IMAGE/"
                                                                                     "INDEX</Key>"
                                                                                     "<Value>@@VBOX_INSERT_IMAGE_INDEX@"
                                                                                     "@</Value></MetaData></"
                                                                                     "InstallFrom>\n"
                                                                                     "        "
                                                                                     "<InstallTo><DiskID>0</"
                                                                                     "DiskID><PartitionID>@@VBOX_"
                                                                                     "INSERT_PARTITION@@</"
                                                                                     "PartitionID></InstallTo>\n"
                                                                                     "        "
                                                                                     "<WillShowUI>OnError</"
                                                                                     "WillShowUI>\n"
                                                                                     "      </OSImage></ImageInstall>\n"
                                                                                     "      <UserData>\n"
                                                                                     "        "
                                                                                     "<AcceptEula>true</AcceptEula>\n"
                                                                                     "        "
                                                                                     "<FullName>@@VBOX_INSERT_USER_"
                                                                                     "FULL_NAME@@</FullName>\n"
                                                                                     "@@VBOX_INSERT_PRODUCT_KEY_"
                                                                                     "ELEMENT@@"
                                                                                     "      </UserData>\n"
                                                                                     "    </component>\n"
                                                                                     "  </settings>\n"
                                                                                     "  <settings "
                                                                                     "pass=\"specialize\">\n" COMPONENT(
                                                                                         "Microsoft-Windows-Shell-"
                                                                                         "Setup") "      "
                                                                                                  "<ComputerName>@@"
                                                                                                  "VBOX_INSERT_"
                                                                                                  "COMPUTER_NAME@@</"
                                                                                                  "ComputerName>\n"
                                                                                                  "      "
                                                                                                  "<TimeZone>@@VBOX_"
                                                                                                  "INSERT_TIME_ZONE_"
                                                                                                  "WIN@@</TimeZone>\n"
                                                                                                  "    </component>\n"
                                                                                                  "  </settings>\n"
                                                                                                  "  <settings "
                                                                                                  "pass=\"oobeSystem\">"
                                                                                                  "\n" COMPONENT(
                                                                                                      "Microsoft-"
                                                                                                      "Windows-"
                                                                                                      "International-"
                                                                                                      "Core") "      "
                                                                                                              "<InputLo"
                                                                                                              "cale>@@"
                                                                                                              "VBOX_"
                                                                                                              "INSERT_"
                                                                                                              "LOCALE_"
                                                                                                              "DASH@@</"
                                                                                                              "InputLoc"
                                                                                                              "ale>\n"
                                                                                                              "      "
                                                                                                              "<SystemL"
                                                                                                              "ocale>@@"
                                                                                                              "VBOX_"
                                                                                                              "INSERT_"
                                                                                                              "LOCALE_"
                                                                                                              "DASH@@</"
                                                                                                              "SystemLo"
                                                                                                              "cale>\n"
                                                                                                              "      "
                                                                                                              "<UILangu"
                                                                                                              "age>@@"
                                                                                                              "VBOX_"
                                                                                                              "INSERT_"
                                                                                                              "LANGUAGE"
                                                                                                              "@@</"
                                                                                                              "UILangua"
                                                                                                              "ge>\n"
                                                                                                              "      "
                                                                                                              "<UserLoc"
                                                                                                              "ale>@@"
                                                                                                              "VBOX_"
                                                                                                              "INSERT_"
                                                                                                              "LOCALE_"
                                                                                                              "DASH@@</"
                                                                                                              "UserLoca"
                                                                                                              "le>\n"
                                                                                                              "    "
                                                                                                              "</"
                                                                                                              "componen"
                                                                                                              "t>"
                                                                                                              "\n" COMPONENT(
                                                                                                                  "Micr"
                                                                                                                  "osof"
                                                                                                                  "t-"
                                                                                                                  "Wind"
                                                                                                                  "ows-"
                                                                                                                  "Shel"
                                                                                                                  "l-"
                                                                                                                  "Setu"
                                                                                                                  "p") "      <OOBE>\n"
                                                                                                                       "        <HideEULAPage>true</HideEULAPage>\n"
                                                                                                                       "        <NetworkLocation>Home</NetworkLocation>\n"
                                                                                                                       "        <ProtectYourPC>3</ProtectYourPC>\n"
                                                                                                                       "      </OOBE>\n"
                                                                                                                       "      <UserAccounts>\n"
                                                                                                                       "        <AdministratorPassword><Value>@@VBOX_INSERT_ADMINISTRATOR_BASE64@@</Value>"
                                                                                                                       "<PlainText>false</PlainText></AdministratorPassword>\n"
                                                                                                                       "        <LocalAccounts><LocalAccount wcm:action=\"add\">\n"
                                                                                                                       "          <Name>@@VBOX_INSERT_USER_LOGIN@@</Name>\n"
                                                                                                                       "          <DisplayName>@@VBOX_INSERT_USER_FULL_NAME@@</DisplayName>\n"
                                                                                                                       "          <Group>Administrators</Group>\n"
                                                                                                                       "          <Password><Value>@@VBOX_INSERT_USER_BASE64@@</Value><PlainText>false</PlainText></Password>\n"
                                                                                                                       "        </LocalAccount></LocalAccounts>\n"
                                                                                                                       "      </UserAccounts>\n"
                                                                                                                       "      <AutoLogon>\n"
                                                                                                                       "        <Enabled>true</Enabled>\n"
                                                                                                                       "        <LogonCount>1</LogonCount>\n"
                                                                                                                       "        <Username>@@VBOX_INSERT_USER_LOGIN@@</Username>\n"
                                                                                                                       "        <Password><Value>@@VBOX_INSERT_USER_BASE64@@</Value><PlainText>false</PlainText></Password>\n"
                                                                                                                       "      </AutoLogon>\n"
                                                                                                                       "      <FirstLogonCommands><SynchronousCommand wcm:action=\"add\">\n"
                                                                                                                       "        <Order>1</Order>\n"
                                                                                                                       "        <CommandLine>cmd.exe /c @@VBOX_INSERT_POST_COMMAND_ESCAPED@@</CommandLine>\n"
                                                                                                                       "      </SynchronousCommand></FirstLogonCommands>\n"
                                                                                                                       "    </component>\n"
                                                                                                                       "  </settings>\n"
                                                                                                                       "</unattend>\n";

static const char disk_bios[] = "      <DiskConfiguration><Disk wcm:action=\"add\">\n"
                                "        <DiskID>0</DiskID>\n"
                                "        <WillWipeDisk>true</WillWipeDisk>\n"
                                "        <CreatePartitions><CreatePartition wcm:action=\"add\"><Order>1</Order>"
                                "<Type>Primary</Type><Extend>true</Extend></CreatePartition></CreatePartitions>\n"
                                "        <ModifyPartitions><ModifyPartition wcm:action=\"add\"><Order>1</Order>"
                                "<PartitionID>1</PartitionID><Format>NTFS</Format><Active>true</Active>"
                                "</ModifyPartition></ModifyPartitions>\n"
                                "      </Disk></DiskConfiguration>\n";
static const char disk_efi[] = "      <DiskConfiguration><Disk wcm:action=\"add\">\n"
                               "        <DiskID>0</DiskID>\n"
                               "        <WillWipeDisk>true</WillWipeDisk>\n"
                               "        <CreatePartitions>\n"
                               "          <CreatePartition wcm:action=\"add\"><Order>1</Order><Type>EFI</Type>"
                               "<Size>260</Size></CreatePartition>\n"
                               "          <CreatePartition wcm:action=\"add\"><Order>2</Order><Type>MSR</Type>"
                               "<Size>16</Size></CreatePartition>\n"
                               "          <CreatePartition wcm:action=\"add\"><Order>3</Order><Type>Primary</Type>"
                               "<Extend>true</Extend></CreatePartition>\n"
                               "        </CreatePartitions>\n"
                               "        <ModifyPartitions>\n"
                               "          <ModifyPartition wcm:action=\"add\"><Order>1</Order>"
                               "<PartitionID>1</PartitionID><Format>FAT32</Format></ModifyPartition>\n"
                               "          <ModifyPartition wcm:action=\"add\"><Order>2</Order>"
                               "<PartitionID>3</PartitionID><Format>NTFS</Format></ModifyPartition>\n"
                               "        </ModifyPartitions>\n"
                               "      </Disk></DiskConfiguration>\n";

/* Windows 11's setup refuses machines without TPM, secure boot and 4 GiB unless it is told not to look. */
static const char lab_config[] =
    "      <RunSynchronous>\n"
    "        <RunSynchronousCommand wcm:action=\"add\"><Order>1</Order><Path>reg add HKLM\\SYSTEM\\Setup\\LabConfig /v "
    "BypassTPMCheck /t REG_DWORD /d 1 /f</Path></RunSynchronousCommand>\n"
    "        <RunSynchronousCommand wcm:action=\"add\"><Order>2</Order><Path>reg add HKLM\\SYSTEM\\Setup\\LabConfig /v "
    "BypassSecureBootCheck /t REG_DWORD /d 1 /f</Path></RunSynchronousCommand>\n"
    "        <RunSynchronousCommand wcm:action=\"add\"><Order>3</Order><Path>reg add HKLM\\SYSTEM\\Setup\\LabConfig /v "
    "BypassRAMCheck /t REG_DWORD /d 1 /f</Path></RunSynchronousCommand>\n"
    "      </RunSynchronous>\n";

static const char *zone_of(const char *zone)
{
    static const char *const zones[][2] = {{"Etc/UTC", "UTC"},
                                           {"UTC", "UTC"},
                                           {"Europe/London", "GMT Standard Time"},
                                           {"Europe/Lisbon", "GMT Standard Time"},
                                           {"Europe/Berlin", "W. Europe Standard Time"},
                                           {"Europe/Vienna", "W. Europe Standard Time"},
                                           {"Europe/Zurich", "W. Europe Standard Time"},
                                           {"Europe/Rome", "W. Europe Standard Time"},
                                           {"Europe/Amsterdam", "W. Europe Standard Time"},
                                           {"Europe/Stockholm", "W. Europe Standard Time"},
                                           {"Europe/Paris", "Romance Standard Time"},
                                           {"Europe/Madrid", "Romance Standard Time"},
                                           {"Europe/Brussels", "Romance Standard Time"},
                                           {"Europe/Prague", "Central Europe Standard Time"},
                                           {"Europe/Budapest", "Central Europe Standard Time"},
                                           {"Europe/Warsaw", "Central European Standard Time"},
                                           {"Europe/Helsinki", "FLE Standard Time"},
                                           {"Europe/Kyiv", "FLE Standard Time"},
                                           {"Europe/Athens", "GTB Standard Time"},
                                           {"Europe/Istanbul", "Turkey Standard Time"},
                                           {"Europe/Moscow", "Russian Standard Time"},
                                           {"America/New_York", "Eastern Standard Time"},
                                           {"America/Toronto", "Eastern Standard Time"},
                                           {"America/Chicago", "Central Standard Time"},
                                           {"America/Denver", "Mountain Standard Time"},
                                           {"America/Los_Angeles", "Pacific Standard Time"},
                                           {"America/Sao_Paulo", "E. South America Standard Time"},
                                           {"Asia/Dubai", "Arabian Standard Time"},
                                           {"Asia/Kolkata", "India Standard Time"},
                                           {"Asia/Singapore", "Singapore Standard Time"},
                                           {"Asia/Shanghai", "China Standard Time"},
                                           {"Asia/Tokyo", "Tokyo Standard Time"},
                                           {"Asia/Seoul", "Korea Standard Time"},
                                           {"Australia/Sydney", "AUS Eastern Standard Time"},
                                           {"Pacific/Auckland", "New Zealand Standard Time"}};

    for (unsigned k = 0; k < G_N_ELEMENTS(zones); k++)
        if (strcmp(zones[k][0], zone) == 0)
            return zones[k][1];
    return NULL;
}

/* UTF-16 of the password and the name of the element it stands in. */
static char *hidden(const char *password, const char *element)
{
    g_autofree char *both = g_strconcat(password, element, NULL);
    glong words = 0;
    g_autofree gunichar2 *text = g_utf8_to_utf16(both, -1, NULL, &words, NULL);

    for (glong k = 0; text != NULL && k < words; k++)
        text[k] = GUINT16_TO_LE(text[k]);
    return text != NULL ? g_base64_encode((const guchar *)text, (gsize)words * 2) : NULL;
}

static void insert(GHashTable *values, const char *name, char *value)
{
    g_hash_table_insert(values, g_strdup(name), value);
}

bool unattended_windows_fill(GHashTable *values, const struct unattended_values *v, GError **error)
{
    const char *zone = zone_of(v->time_zone);
    char *user = hidden(v->password, "Password"), *root = hidden(v->admin_password, "AdministratorPassword");
    g_autofree char *locale = g_strdelimit(g_strdup(v->locale), "_", '-');
    g_autofree char *key = g_markup_escape_text(v->product_key, -1);

    if (zone == NULL || user == NULL || root == NULL) {
        g_set_error(error, UNATTENDED_ERROR, 0,
                    zone == NULL ? "Windows' name of the time zone '%s' is not known; use one such as Europe/Berlin"
                                 : "The passwords, or the time zone '%s', are no UTF-8",
                    v->time_zone);
        g_free(user);
        g_free(root);
        return false;
    }
    insert(values, "ARCHITECTURE", g_strdup(v->is_64_bit ? "amd64" : "x86"));
    insert(values, "LANGUAGE", g_strdup(*v->language != '\0' ? v->language : locale));
    insert(values, "LOCALE_DASH", g_strdup(locale));
    insert(values, "LAB_CONFIG", g_strdup(v->windows_11 ? lab_config : ""));
    insert(values, "DISK_CONFIGURATION", g_strdup(v->efi ? disk_efi : disk_bios));
    insert(values, "PARTITION", g_strdup(v->efi ? "3" : "1"));
    insert(values, "IMAGE_INDEX", g_strdup(v->image_index));
    insert(values, "PRODUCT_KEY_ELEMENT",
           *key != '\0' ? g_strdup_printf("        <ProductKey><Key>%s</Key><WillShowUI>OnError</WillShowUI>"
                                          "</ProductKey>\n",
                                          key)
                        : g_strdup(""));
    insert(values, "COMPUTER_NAME", g_strndup(v->hostname, MIN(strcspn(v->hostname, "."), 15)));
    insert(values, "TIME_ZONE_WIN", g_strdup(zone));
    insert(values, "ADMINISTRATOR_BASE64", root);
    insert(values, "USER_BASE64", user);
    return true;
}
