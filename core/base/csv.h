/* CSV files (RFC 4180, lines end in \n): a header, then rows that are appended as a whole.
 *
 * One row is one write, so a reader beside us sees whole rows, and a run that was killed leaves at
 * most one torn row, which csv_resume() cuts off. Local.
 */
#ifndef KARMA_BASE_CSV_H
#define KARMA_BASE_CSV_H

#include "core/base/err.h"
#include "core/base/mem.h"

#include <stdint.h>

enum { CSV_KEEP_ALL = -1 };

struct csv {
    int fd;
    const char *path; /* in the arena */
    int n_columns, column;
    enum err failed; /* first failure inside the row */
    struct buf row;  /* owned */
};

/* A new file with its header; an old one of that name is replaced. */
enum err csv_create(struct csv *c, struct arena *arena, const char *path,
                    const char *const *columns, int n_columns) WARN_UNUSED;

/* Continue a file. Its header must be these columns, else ERR_MISMATCH. It is cut after `keep` rows
 * (what a resumed run will write again), CSV_KEEP_ALL: all that are complete; fewer rows than
 * `keep` are ERR_MISMATCH. */
enum err csv_resume(struct csv *c, struct arena *arena, const char *path,
                    const char *const *columns, int n_columns, int64_t keep) WARN_UNUSED;

/* One cell after the other. Texts are quoted where a reader would take them for another one.
 * Numbers are printed with 9 digits, enough to read the same float back; NaN and infinities as nan,
 * inf, -inf. */
void csv_text(struct csv *c, const char *s);
void csv_int(struct csv *c, int64_t v);
void csv_num(struct csv *c, double v);
/* In the fewest digits, at most 17, that read back as the same double. */
void csv_exact(struct csv *c, double v);

/* Write the row, which must have all its cells, in one piece. */
enum err csv_end_row(struct csv *c) WARN_UNUSED;

/* Rows written so far are on the disk when this returns. */
enum err csv_sync(struct csv *c) WARN_UNUSED;

void csv_close(struct csv *c);

#endif
