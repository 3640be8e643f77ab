/* The main program of a fuzz program without libFuzzer: reads files and the files of directories,
 * one input each, and says how many there were. For compilers that have no fuzzer, and debuggers.
 */
#include "core/base/file.h"
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <stdio.h>

enum { INPUT_MAX = 16 * 1024 * 1024 };

static int replay_file(const char *path)
{
    struct buf bytes;
    buf_init(&bytes);
    if (file_read(&bytes, path, INPUT_MAX) != ERR_OK) {
        (void)fprintf(stderr, "cannot read '%s'\n", path);
        return -1;
    }
    (void)LLVMFuzzerTestOneInput(bytes.data, bytes.len);
    buf_release(&bytes);
    return 1;
}

/* Inputs read; -1 if one could not be. */
static int replay_dir(const char *dir)
{
    DIR *d = opendir(dir);
    int n = 0;
    for (struct dirent *entry; d != NULL && n >= 0 && (entry = readdir(d)) != NULL;) {
        char path[4096];
        if (entry->d_name[0] == '.') {
            continue;
        }
        (void)snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
        n = replay_file(path) < 0 ? -1 : n + 1;
    }
    if (d != NULL) {
        (void)closedir(d);
    }
    return n;
}

int main(int argc, char **argv)
{
    int n = 0;
    (void)LLVMFuzzerInitialize(&argc, &argv);
    for (int i = 1; i < argc; i++) {
        const int more = file_is_dir(argv[i]) ? replay_dir(argv[i]) : replay_file(argv[i]);
        if (more < 0) {
            return 1;
        }
        n += more;
    }
    (void)printf("%d inputs\n", n);
    return 0;
}
