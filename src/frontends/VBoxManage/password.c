/*
 * password.c - passwords: from files, standard input, or typed without being seen. Never from arguments.
 */
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "frontends/VBoxManage/manage.h"

#define PASSWORD_MAX 1024

static void echo(bool on)
{
    struct termios t;

    if (tcgetattr(STDIN_FILENO, &t) != 0)
        return;
    t.c_lflag = on ? t.c_lflag | ECHO : t.c_lflag & ~(tcflag_t)ECHO;
    tcsetattr(STDIN_FILENO, on ? TCSADRAIN : TCSAFLUSH, &t);
}

char *cmd_read_password(const char *file, const char *prompt)
{
    const bool standard = strcmp(file, "-") == 0 || strcmp(file, "stdin") == 0;
    const bool typed = standard && isatty(STDIN_FILENO);
    char line[PASSWORD_MAX + 2] = "";
    FILE *f = standard ? stdin : fopen(file, "re");

    if (typed) {
        echo(false); /* first: what is typed at the sight of the prompt must neither show nor be lost */
        printf("%s", prompt);
        fflush(stdout);
    }
    const bool ok = f != NULL && fgets(line, sizeof line, f) != NULL;
    if (typed) {
        echo(true);
        printf("\n");
    }
    if (f != NULL && !standard)
        fclose(f);
    if (!ok) {
        cmd_error("Could not read a password from '%s'", file);
        return NULL;
    }
    line[strcspn(line, "\r\n")] = '\0';
    char *password = g_strdup(line);
    explicit_bzero(line, sizeof line);
    return password;
}
