/* Trajectories as sequences of symbols.
 *
 * A step of a trajectory is a vector: the changes that the agent asked for over services, of the
 * last `ngram` decisions, and, if wanted, what was observed. Equal vectors are one symbol; a team
 * uses few of them, so that the distance between two steps is looked up in a table. Equal sequences
 * are one *distinct* sequence with a weight: clustering counts it as often as it occurs.
 *
 * Observations are the columns that policies see, each divided by its standard deviation over the
 * set, all of them together scaled to weigh as much as the changes, which are scaled alike.
 */
#ifndef KARMA_ANALYSIS_SEQUENCES_H
#define KARMA_ANALYSIS_SEQUENCES_H

#include "core/analysis/trajectories.h"

enum { SEQUENCE_NGRAM_MAX = 8, SEQUENCE_TABLE_MAX = 1024 };

struct sequence_cfg {
    int ngram;     /* decisions in a step: 1 .. SEQUENCE_NGRAM_MAX */
    bool observed; /* steps hold observations, too */
};

struct sequences {
    int n;                  /* trajectories, as they are numbered in the set */
    int n_distinct;         /* distinct sequences, in the order of their first trajectory */
    const int *distinct;    /* (n) distinct sequence of a trajectory */
    const int *first;       /* (n_distinct) its first trajectory */
    const int *weight;      /* (n_distinct) trajectories that are equal to it */
    const int *length;      /* (n_distinct) steps */
    int32_t **symbol;       /* (n_distinct)(length) */
    int n_symbols, n_dims;  /* distinct steps, numbers of each */
    const float *vector;    /* (n_symbols, n_dims) */
    const double *cost;     /* (n_symbols, n_symbols) Euclidean distances; NULL: more than
                              SEQUENCE_TABLE_MAX symbols */
    const double *activity; /* (n_distinct) sum of the lengths of its steps */
    const double *norm;     /* (n_distinct) root of the sum of their squares */
    int longest;            /* steps of the longest sequence */
};

/* Of all trajectories of the set. ERR_MEMORY. */
enum err sequences_init(struct sequences *s, struct arena *arena, const struct trajectory_set *set,
                        const struct sequence_cfg *cfg) WARN_UNUSED;

/* Euclidean distance of two steps. */
double sequences_cost(const struct sequences *s, int32_t a, int32_t b);

/* A digest of everything that decides a distance between these sequences. */
uint64_t sequences_digest(const struct sequences *s);

#endif
