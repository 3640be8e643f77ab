/* The transitions of a store, in one piece of memory, in the order of the file.
 *
 * A transition is a decision, the state it saw and the state that followed. Rows are stored once:
 * the next state of one is the state of the other. What was not measured stands in the rows as it
 * was last known in the episode (else as it was first known there, else as the column's mean), but
 * is no target and no truth. A transition of which less than half was measured is left out, and so
 * is one of which it is not known what was decided. Parts (train, validation, held out) are those
 * of the episodes.
 *
 * A column that was measured in less than half of the rows is not *held*: it is 0 everywhere, and
 * nothing is learned of it. The same holds for the load: unless it is known for half of the
 * decisions, it is 0 everywhere. A load that is missing now and then is that of before.
 */
#ifndef KARMA_TWIN_DATASET_H
#define KARMA_TWIN_DATASET_H

#include "core/trace/store.h"
#include "core/twin/features.h"

struct dataset_episode {
    enum store_part part;
    int first_row, n_steps; /* rows first_row .. first_row + n_steps */
    int scenario;           /* of scenarios[] */
};
struct dataset {
    const struct features *features; /* borrowed */
    struct dataset_episode *episodes;
    const char **scenarios; /* (n_scenarios) names in order of appearance */
    int n_episodes, n_scenarios, n_rows;
    float *state;         /* (n_rows, S) as measured, gaps filled */
    uint8_t *gap;         /* (n_rows, S) 1: not measured; NULL: there are no gaps */
    int32_t *delta;       /* (n_rows, N) decided at the row; of an episode's last row 0 */
    int32_t *attack;      /* (n_rows, 3) */
    float *load;          /* (n_rows) offered in the period after the row */
    float *kpi;           /* (n_rows, n_kpis) of the period after the row, encoded */
    float *played;        /* (n_rows, S) of a residual twin that is fitted: what its queues show at
                             the row; NULL: networks see what was recorded */
    float *answer;        /* (n_rows, n_target) and what they answer for the period after it */
    int *episode;         /* (n_rows) */
    uint8_t *held;        /* (S) 1: the column was measured often enough to be learned; NULL:
                             all are */
    bool loaded;          /* the same of the load */
    uint8_t *whole;       /* (n_rows) 1: a transition begins here, most of which was measured */
    int *at[STORE_PARTS]; /* (n_at) rows at which the transitions of a part begin, ascending */
    int n_at[STORE_PARTS];
    double busy_rps; /* load from which on a period counts as under attack, see dataset_busy() */
};

/* Reads all episodes. ERR_FORMAT with a sentence if a store has nothing to learn from. */
enum err dataset_read(struct dataset *d, struct arena *arena, struct store *store,
                      const struct features *features) WARN_UNUSED;

/* Columns of `s`, the features of the dataset, whose gap is that of deployed pods or of the
 * autoscaler's partition and is 0 in all rows: they are exact, no targets any more. Columns that
 * are not held are no targets either, and no gap is counted from them. Before
 * anything is learned or read from a file. */
void dataset_mark_exact(struct features *s, const struct dataset *d);

/* Was a change of the service's replicas recorded in a training episode? If not, nothing can be
 * learned of what such a change does. */
bool dataset_moves(const struct dataset *d, int service);

/* Periods with an offered load above 1.5 x the median of all: a store has no label of attacks, and
 * must not have one. */
static inline bool dataset_busy(const struct dataset *d, int row)
{
    return (double)d->load[row] > d->busy_rps;
}

static inline bool dataset_known(const struct dataset *d, int row, int column)
{
    return d->gap == NULL ||
           d->gap[(size_t)row * (size_t)d->features->n_state + (size_t)column] == 0;
}

/* Is anything learned of the column, as far as it was measured often enough? */
static inline bool dataset_held(const struct dataset *d, int column)
{
    return d->held == NULL || d->held[column] != 0;
}

/* Was everything measured that features_value() of this column is made of? */
bool dataset_value_known(const struct dataset *d, int row, int column);

/* The input of the networks (n_in) and their target (n_target, encoded; NaN: not measured) of the
 * transition that begins at `row`. Before an episode's first row the first is repeated. */
void dataset_input(float *in, const struct dataset *d, int row);
void dataset_target(float *target, const struct dataset *d, int row);

/* The states that the decision at `row` looks back on (history), newest first (played ones, if
 * there are any), and the loads of the coming period and before it (history + 1). */
void dataset_history(const float **states, float *loads, const struct dataset *d, int row);

#endif
