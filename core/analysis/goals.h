/* Goals and missions: regions of the joint state that success visits more often than failure, and
 * whose actions lead there.
 *
 * States of all episodes are standardised and clustered (kmeans.h; the number of clusters by
 * silhouette). For each region r
 *
 *   visits(r) = mean over episodes of the share of states in r, of successful and of other ones
 *
 * It is a *goal* if the difference is positive beyond chance: which episodes were successful is
 * permuted inside each stratum (scenario), and p-values over all regions are adjusted for the false
 * discovery rate.
 *
 * A region is said in words of the columns in which it differs most from all states: "b.queue at
 * most 3" means that nine of ten of its states are.
 *
 * An agent's *mission* is a goal that its actions precede: it acts in the GOAL_STEPS decisions
 * before successful episodes enter the goal more often than at other times. Tested by shifting the
 * entries of each episode round by a random number of decisions.
 */
#ifndef KARMA_ANALYSIS_GOALS_H
#define KARMA_ANALYSIS_GOALS_H

#include "core/analysis/kmeans.h"

#include <stdbool.h>

enum { GOAL_CLAUSES = 3, GOAL_STEPS = 3, GOALS_K_MAX = 8, GOALS_POINTS = 4000 };

/* Episode e has the states begin[e] .. begin[e + 1] - 1; decision t of it saw state begin[e] + t
 * and led to the next. Borrowed. */
struct goal_data {
    int n_episodes, n_columns, n_agents;
    const int *begin;         /* (n_episodes + 1) */
    const bool *success;      /* (n_episodes) */
    const int *stratum;       /* (n_episodes), from 0 on */
    const double *state;      /* (begin[n_episodes], n_columns) */
    const uint8_t *acts;      /* (n_agents, begin[n_episodes]) 1: the agent changes something at the
                                 decision that saw this state */
    const char *const *names; /* (n_columns) */
};

struct goal_clause {
    int column;
    bool below;   /* nine of ten states of the region are at most (at least) `bound` */
    double bound; /* in the unit of the column */
};

struct goal {
    int size;               /* states in the region */
    double visits, failure; /* of successful episodes, of the others */
    double p, q;
    bool found;
    struct goal_clause clauses[GOAL_CLAUSES];
    int n_clauses;
    int n_entries;     /* of successful episodes */
    double *precedes;  /* (n_agents) share of decisions before entries at which the agent acts */
    double *acts;      /* (n_agents) the same of all decisions of these episodes */
    double *mission_p; /* (n_agents) NaN: no entries */
    double *mission_q; /* (n_agents) over all agents and goals that were found; NaN elsewhere */
};

struct goals {
    int k;             /* regions */
    double silhouette; /* of the clustering */
    struct goal *goal; /* (k) */
    int *label;        /* (states) region of each */
};

struct goals_cfg {
    uint64_t seed;
    uint32_t stream;
    int permutations;
    double level;
};

/* Deterministic in cfg; in `arena`; scratch is rewound. ERR_CONFIG with a sentence if all episodes
 * are successful or none is, ERR_MEMORY. */
enum err goals_find(struct goals *out, struct arena *arena, const struct goal_data *d,
                    const struct goals_cfg *cfg, struct arena *scratch) WARN_UNUSED;

/* "b.queue at most 3, a.util_10s at least 0.4"; in the arena. NULL when out of memory. */
const char *goal_words(struct arena *arena, const struct goal *g, const struct goal_data *d);

#endif
