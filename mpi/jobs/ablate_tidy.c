/* Looks before it removes. See ablate_tidy.h. */
#include "mpi/jobs/ablate_tidy.h"

#include "core/base/file.h"
#include "core/base/log.h"
#include "mpi/jobs/resume.h"
#include "mpi/train/checkpoint_dir.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

enum { OLD_S = 3600 };

/* "training", "training.12" */
static bool is_training(const char *name)
{
    static const char base[] = "training";
    const size_t n = sizeof base - 1;
    if (strncmp(name, base, n) != 0) {
        return false;
    }
    return name[n] == '\0' || (name[n] == '.' && name[n + 1] != '\0' &&
                               strspn(name + n + 1, "0123456789") == strlen(name + n + 1));
}

/* Nothing in it can be continued or used. */
static enum err is_worthless(bool *yes, const char *dir, struct arena *scratch)
{
    bool done, any;
    *yes = false;
    if (!file_is_dir(dir)) {
        return ERR_OK;
    }
    TRY(resume_is_done(&done, scratch, dir));
    TRY(checkpoint_dir_look(&any, dir));
    *yes = !done && !any;
    return ERR_OK;
}

static enum err tidy_entry(const char *dir, const char *name, struct arena *scratch)
{
    bool worthless;
    const char *path = file_join(scratch, dir, name);
    TRY(arena_error(scratch));
    TRY(is_worthless(&worthless, path, scratch));
    return worthless ? file_remove_tree(path) : ERR_OK;
}

enum err ablate_tidy_run(const char *dir, struct arena *scratch)
{
    TRY(file_remove_temporaries(dir, 0));
    DIR *d = opendir(dir);
    if (d == NULL) {
        log_error("cannot list '%s': %s", dir, strerror(errno));
        return ERR_IO;
    }
    enum err e = ERR_OK;
    for (struct dirent *entry; e == ERR_OK && (entry = readdir(d)) != NULL;) {
        if (is_training(entry->d_name)) {
            e = tidy_entry(dir, entry->d_name, scratch);
        }
    }
    closedir(d);
    return e;
}

enum err ablate_tidy_all(const char *dir, struct arena *scratch)
{
    const char *compared = file_join(scratch, dir, "compared");
    TRY(arena_error(scratch));
    TRY(file_remove_temporaries(dir, OLD_S));
    return file_is_dir(compared) ? file_remove_temporaries(compared, OLD_S) : ERR_OK;
}
