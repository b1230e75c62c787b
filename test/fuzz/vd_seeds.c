/* vd_seeds.c - writes the small images that hostile_made.c makes, good ones and bad, as seeds: vd_seeds FOLDER */
#include "storage/hostile.h"

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        GByteArray *(*make)(void);
    } seeds[] = {{"QCOW2/made", hostile_qcow2},     {"QED/made", hostile_qed}, {"Parallels/made", hostile_parallels},
                 {"VHDX/made", hostile_vhdx},       {"DMG/made", hostile_dmg}, {"DMG/bomb", hostile_dmg_bomb},
                 {"DMG/beyond", hostile_dmg_beyond}};

    for (size_t i = 0; i < G_N_ELEMENTS(seeds) && argc == 2; i++) {
        g_autofree char *path = g_build_filename(argv[1], seeds[i].name, NULL);
        g_autoptr(GByteArray) image = seeds[i].make();

        if (!g_file_set_contents(path, (const char *)image->data, image->len, NULL))
            return 1;
    }
    return argc != 2;
}
