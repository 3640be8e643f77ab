/* What a training leaves in its run directory, for tests of whole trainings. */
#ifndef KARMA_TESTS_MPI_RUN_FILES_H
#define KARMA_TESTS_MPI_RUN_FILES_H

#include "core/base/hash.h"
#include "tests/mpi/ranks.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* On rank 0. */
static inline void run_remove(const struct ranks *r, const char *dir)
{
    char command[600];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    if (r->c.rank == 0 && system(command) != 0) {
        fprintf(stderr, "%s: failed\n", command);
    }
}

/* Of a file of at most a MiB; that of no bytes if there is none. */
static inline uint64_t run_file_hash(const char *dir, const char *name)
{
    static char bytes[1 << 20];
    char path[700];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "rb");
    const size_t n = f == NULL ? 0 : fread(bytes, 1, sizeof bytes, f);
    if (f != NULL) {
        fclose(f);
    }
    return hash_fnv1a(HASH_START, bytes, n);
}

/* What the last row of metrics.csv says under `name`; NaN if it says nothing. */
static inline double run_last_metric(const char *dir, const char *name)
{
    char path[700], head[4096] = "", row[4096] = "", line[4096];
    snprintf(path, sizeof path, "%s/metrics.csv", dir);
    FILE *f = fopen(path, "r");
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        snprintf(head[0] == '\0' ? head : row, sizeof row, "%s", line);
    }
    if (f != NULL) {
        fclose(f);
    }
    char *more_head = NULL, *more_row = NULL;
    char *column = strtok_r(head, ",\n", &more_head), *value = strtok_r(row, ",\n", &more_row);
    while (column != NULL && value != NULL && strcmp(column, name) != 0) {
        column = strtok_r(NULL, ",\n", &more_head);
        value = strtok_r(NULL, ",\n", &more_row);
    }
    return column == NULL || value == NULL ? (double)NAN : strtod(value, NULL);
}

#endif
