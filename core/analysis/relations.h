/* Relations between agents, as seen in what they do: who watches the same things, who acts
 * together, who leads.
 *
 *   acquaintance   both react to a common value: RE(v, i) and RE(v, j) are found for it.
 *                  Strength: common values / values that one of the two reacts to
 *   communication  they act together: SY(i, j), beyond what load, attack and own pasts explain
 *   transfer       i's action tells about j's next one: TE(i -> j)
 *   authority      i's choices change j's, more than j's change i's: the mean effect of replaced
 *                  choices (counterfactual.h), i on j against j on i. The one causal relation
 *
 * RE, SY and TE are those of information.h: conditioned on strata, tested by permutations inside
 * them. Authority is tested over episodes, which are independent: the sign-flip test of the
 * differences of the two mean effects of an episode.
 *
 * All pairs are tested, so the false discovery rate is controlled (Benjamini and Hochberg), over
 * the pairs of authority and communication together, over those of transfer, and over the reactions
 * behind acquaintance. A relation is *found* if its adjusted p-value q is at most `level`.
 * Authority between 4 agents needs 9 episodes: with n of them no p-value is below 2^(1 - n).
 *
 * An action is coded by its direction: 0 nothing, 1 less, 2 more replicas in sum.
 */
#ifndef KARMA_ANALYSIS_RELATIONS_H
#define KARMA_ANALYSIS_RELATIONS_H

#include "core/analysis/information.h"

#include <stdbool.h>

enum { RELATION_SYMBOLS = 3, RELATION_LEVELS = 3 };

/* Borrowed. */
struct relation_data {
    int n_agents, n_values;
    const char *const *agents; /* (A) names */
    const char *const *values; /* (V) names of what agents may react to */
    int n_moments;
    const int *symbol; /* (A, n_moments) below RELATION_SYMBOLS */
    const int *value;  /* (V, n_moments) below RELATION_LEVELS */
    struct info_sequences sequences;
    /* Replaced choices: effect (n_effects, A) of replacing that of agent `by` on each agent, in
     * which sequence. NaN: there was nothing to replace. n_effects 0: authority is unknown. */
    int n_effects;
    const double *effect;
    const int *effect_by, *effect_sequence; /* (n_effects) */
};

struct relation {
    double strength; /* bits; effect, a share; common / all values; NaN: unknown */
    double lo, hi;   /* authority: interval of the effect at the level 1 - cfg.level, over sequences
                        (stat_bootstrap_corrected()); NaN elsewhere */
    double bias;     /* of bits; 0 elsewhere */
    double p, q;     /* NaN: unknown; acquaintance: the larger q of the best common value */
    bool found;
};

struct relations {
    int n_agents, n_values;
    struct relation *acquaintance, *communication; /* (A, A) symmetric */
    struct relation *transfer, *authority;         /* (A, A) row leads to column */
    double *reaction_q;                            /* (A, V) of RE(v, a); NaN: not tested */
};

struct relations_cfg {
    uint64_t seed;
    uint32_t stream;
    int permutations; /* 999; no p-value is below 1 / (1 + permutations) */
    double level;     /* 0.05 */
};

/* The tests of TE, SY and RE take nearly all of the time and do not depend on each other. So they
 * can be computed one by one, anywhere, and put together later. Their number: */
int relation_tests(const struct relation_data *d);
struct relation_tested {
    double bits, bias, p;
};
/* Test number `index`, from 0. Deterministic in cfg; scratch is rewound. ERR_MEMORY. */
enum err relation_test(struct relation_tested *out, const struct relation_data *d,
                       const struct relations_cfg *cfg, int index,
                       struct arena *scratch) WARN_UNUSED;
/* The relations from tested (relation_tests(d)). Deterministic in cfg. In `arena`; scratch is
 * rewound. ERR_MEMORY. */
enum err relations_conclude(struct relations *out, struct arena *arena,
                            const struct relation_data *d, const struct relations_cfg *cfg,
                            const struct relation_tested *tested,
                            struct arena *scratch) WARN_UNUSED;

/* All tests, then the conclusion. */
enum err relations_find(struct relations *out, struct arena *arena, const struct relation_data *d,
                        const struct relations_cfg *cfg, struct arena *scratch) WARN_UNUSED;

static inline const struct relation *relation_at(const struct relations *r,
                                                 const struct relation *of, int i, int j)
{
    return &of[i * r->n_agents + j];
}

/* 0, 1 or 2 of a change (n_services): the sign of its sum. */
int relation_symbol(const int32_t *change, int n_services);

/* Values of one column (n) -> levels 0 .. RELATION_LEVELS - 1 by its terciles; equal values have
 * equal levels. false: the column has one level only. order: scratch (n). */
bool relation_levels(int *level, const double *x, uint32_t n, uint32_t *order);

/* ---- conflicts ---- */

/* At a decision i and j want opposite changes of one service. Who prevails: the one whose sign the
 * executed change has; nobody if it is 0. */
struct conflicts {
    int n_agents;
    int *n;        /* (A, A) conflicts, symmetric */
    int *prevails; /* (A, A) of these the row prevails over the column */
};
enum err conflicts_init(struct conflicts *c, struct arena *arena, int n_agents) WARN_UNUSED;
/* One decision: change (A, n_services) wanted, delta (n_services) executed. */
void conflicts_add(struct conflicts *c, const int32_t *change, const int32_t *delta,
                   int n_services);

/* ---- graph ---- */

/* Appends the relations that were found as a graph of Graphviz, and as SVG: agents on a circle,
 * authority as arrows with the effect, communication dashed, acquaintance dotted, and a key.
 * ERR_MEMORY. */
enum err relations_dot(struct buf *out, const struct relations *r, const char *const *agents,
                       const char *title) WARN_UNUSED;
enum err relations_svg(struct buf *out, const struct relations *r, const char *const *agents,
                       const char *title) WARN_UNUSED;

#endif
