/* The relations of a team as tables and pictures, see analysis_relations.h for their names. */
#ifndef KARMA_JOBS_RELATION_FILES_H
#define KARMA_JOBS_RELATION_FILES_H

#include "core/analysis/relations.h"
#include "core/analysis/trajectories.h"

enum { RELATION_WINDOWS = 3 };

struct relation_files {
    const struct trajectory_set *set;
    const char *dir;
    double level;
    bool replayed;                                  /* authority is known */
    struct relations windows[RELATION_WINDOWS + 1]; /* [0]: whole episodes; then their parts */
    const char *const *values;                      /* what agents may react to */
    struct conflicts conflicts;
};

/* Local. Writes all files; the table of whole episodes to standard output, too. */
enum err relation_files_write(const struct relation_files *f, struct arena *scratch) WARN_UNUSED;

#endif
