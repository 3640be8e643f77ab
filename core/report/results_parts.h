/* What the readers of results.h share: a place among the results, tables with a header, lists that
 * grow. Of results*.c alone.
 */
#ifndef KARMA_REPORT_RESULTS_PARTS_H
#define KARMA_REPORT_RESULTS_PARTS_H

#include "core/base/csv_read.h"
#include "core/report/results.h"

/* A directory of results. */
struct result_dir {
    const char *path;     /* as it is opened */
    const char *shown;    /* below the directory that was asked for; "." for itself */
    const char *root;     /* that directory with a slash: what messages need not repeat */
    const char *scenario; /* of the ablation that has it; NULL: as the rows say */
};

/* A CSV file whose columns are found by name. */
struct columns {
    struct csv_reader reader;
    const char **cells; /* (n) of the row that was read last */
    const char **names; /* (n) the header */
    int n;
    bool torn; /* behind the last whole row follows one that a killed writer has torn */
};

/* Reads the header. ERR_IO, ERR_FORMAT with a sentence. */
enum err columns_open(struct columns *c, struct arena *arena, const char *path) WARN_UNUSED;
void columns_close(struct columns *c);
/* Index of the column; -1. */
int columns_find(const struct columns *c, const char *name);
/* The same; ERR_FORMAT with a sentence if there is none. */
enum err columns_need(int *at, const struct columns *c, const char *name) WARN_UNUSED;
/* The next row; *more false: there is none, or only one that a killed writer has torn. */
enum err columns_next(struct columns *c, bool *more) WARN_UNUSED;
enum err columns_number(double *out, const struct columns *c, int at) WARN_UNUSED;

/* Room for one more element of `size` bytes. NULL when out of memory. */
void *results_grow(struct arena *arena, void *items, int n, int *cap, size_t size);
#define RESULTS_GROW(r, list, type)                                                                \
    ((type *)results_grow((r)->arena, (r)->list, (r)->n_##list, &(r)->cap_##list, sizeof(type)))

/* Reads one file with `read`, and leaves it out with the sentence that it logged if it fails. Only
 * ERR_MEMORY is returned. */
struct result_dir;
typedef enum err results_reader(struct results *r, const struct result_dir *d, const char *path);
enum err results_try(struct results *r, const struct result_dir *d, const char *file,
                     results_reader *read) WARN_UNUSED;

results_reader results_read_ablation, results_read_eval, results_read_agents, results_read_training,
    results_read_accuracy, results_read_analysis;

#endif
