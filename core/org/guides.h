/* Guides: what the organisation says to each agent at each decision (MOISE+MARL).
 *
 *   RAG  which changes of which services its roles allow, and how hard that is
 *   RRG  what a choice outside costs
 *   GRG  what its missions and goals are worth
 *
 * The reward that the organisation adds for agent i between decisions t and t + 1:
 *
 *     kappa sum_m w_m(t) sum_j w_mj term_j(s_t+1)                            missions, <= 0
 *         + sum_m w_m(t) sum_j w_mj bonus_j [goal j became achieved at t+1]  bonus, >= 0
 *         - (1 - ch_i) eta [the choice at t was not allowed]                 penalty, <= 0
 *
 *     w_m(t) = 1 / (1 - p + eps), eps = 1, for the strongest norm in force at t that binds i to
 *     mission m: p = 1 for an obligation (1), 0 for a permission (1/2); 0 without a norm
 *     term_j = -loss_j / divisor_j, cut to [-1, 0]
 *
 * Use, in an environment: guides_clear() at the start of an episode; at each decision
 * guides_update() with the state that agents see, then, for each agent, a random draw:
 * guides_binds(g, agent, u) with a fresh u in [0, 1) says whether the agent's choices are masked by
 * guides_allowed() this time (so ch = 1 is a mask, ch = 0 none); and after the step, when the next
 * update is done, guides_reward(). A mask belongs in the distribution: no choice is overwritten.
 *
 * Everything is a function of the states seen so far, so an episode that is replayed gets the same
 * masks. Nothing is allocated after guides_memory_init().
 */
#ifndef KARMA_ORG_GUIDES_H
#define KARMA_ORG_GUIDES_H

#include "core/org/expr.h"
#include "core/org/org.h"

enum { GUIDES_ALPHA_MAX = 15 }; /* changes -15..15 are the bits of a word */

struct guides_rule {
    int when, on;   /* steps */
    uint32_t bits;  /* changes it allows */
    int role, rule; /* in the configuration */
};

struct guides_goal {
    int loss, divisor, achieved; /* steps */
};

/* Compiled; immutable, shared by all environments. */
struct guides {
    struct org org;
    struct expr_program program;
    int n_services, n_agents, alpha;
    struct guides_rule *rules; /* (n_rules), roles in order */
    int n_rules;
    struct guides_goal *goals; /* (n_goals) */
    int *norm_when;            /* (n_norms) steps */
    const double *hardness;    /* (n_agents) ch */
};

/* Checks the organisation and compiles it for a topology and a plant; all are kept. Refused, with
 * the place: what org_init() refuses; expressions that are wrong or know nothing of what they name;
 * rules beyond the plant's alpha; an agent that must keep to its rules and whose rules can never
 * allow a change. ERR_CONFIG, ERR_MEMORY. */
enum err guides_init(struct guides *g, struct arena *arena, const struct org_cfg *cfg,
                     const struct topology *topology, const struct plant_cfg *plant,
                     const struct cfg *src_locs, const char *prefix) WARN_UNUSED;

/* What an environment remembers. */
struct guides_memory {
    double *values;                      /* (n_values) of all expressions at the last update */
    double *memory;                      /* (n_memory) */
    uint32_t *allowed;                   /* (A, S) bit (change + alpha) */
    double *term;                        /* (n_goals) */
    uint8_t *achieved, *became;          /* (n_goals) */
    uint8_t *in_force, *in_force_before; /* (n_norms) at the last update, at the one before */
    int t;                               /* updates in this episode */
};
enum err guides_memory_init(struct guides_memory *m, struct arena *arena,
                            const struct guides *g) WARN_UNUSED;
void guides_clear(struct guides_memory *m, const struct guides *g);

/* The next decision: its state. */
void guides_update(struct guides_memory *m, const struct guides *g, const float *state);

/* (S) allowed changes of each service at this decision: bit (change + alpha). No change is always
 * among them. Bounds of replicas are not looked at. */
static inline const uint32_t *guides_allowed(const struct guides_memory *m, const struct guides *g,
                                             int agent)
{
    return m->allowed + (ptrdiff_t)agent * g->n_services;
}

static inline bool guides_permits(const struct guides_memory *m, const struct guides *g, int agent,
                                  int service, int change)
{
    return change >= -g->alpha && change <= g->alpha &&
           (guides_allowed(m, g, agent)[service] >> (change + g->alpha) & 1U) != 0;
}

/* Whether a mask holds for the agent at this decision; u uniform in [0, 1). */
static inline bool guides_binds(const struct guides *g, int agent, double u)
{
    return u < g->hardness[agent];
}

/* Pairs (service, change) allowed now, 'no change' counted once. */
int guides_mask_size(const struct guides_memory *m, const struct guides *g, int agent);

/* What the agent's missions are worth in the last state, before kappa: sum_m w_m sum_j w_mj term_j
 * with the norms in force now, <= 0. How far it has come, whatever it is paid. */
double guides_progress(const struct guides_memory *m, const struct guides *g, int agent);

/* columns (state_size) = 1 where the agent's rules, the norms that bind it or the goals of its
 * missions read the state; the others stay as they are. */
void guides_reads(uint8_t *columns, const struct guides *g, int agent);

struct guides_reward {
    double mission, bonus, penalty;
};

/* For the step that ended with the last update. `inside`: the agent's choice was allowed then. */
void guides_reward(struct guides_reward *out, const struct guides_memory *m, const struct guides *g,
                   int agent, bool inside);

#endif
