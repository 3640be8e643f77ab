/* The rules of the game: how agents see a state and how their choices become a change of replicas.
 *
 * Pure functions of (state, memory). Training (game.h) and evaluation (controllers/policy.c) use
 * the same ones, so what was learned is what is played. The order of an episode:
 *
 *     rules_begin()                                          before the first state
 *     rules_observe(), rules_global_state(), choices, rules_apply()   once for each decision
 *     rules_observe(), rules_reward()                        when the next state is there
 *
 * The rules_observe() after a step is the one of the next decision: each state is observed once.
 * rules_global_state() only looks and may be asked as often as wanted.
 *
 * Heads (arXiv 2505.21559 has the action (service, change), |change| <= alpha):
 *   level  choose (service, target replicas 1..max); executed as clip(target - desired, +-alpha)
 *   delta  choose the change itself: no-op, or (service, change != 0)
 *   need   choose the multiple of the measured load that a service is staffed for: no-op, or
 *          (service, multiple); executed as clip(need in the replica bounds - desired, +-alpha)
 *
 * Operations: `one` service for each agent and step (F = 1), `own`: the same, of the services s
 * that are the agent's own (s mod A == agent), or `all`: one choice for each service (F =
 * n_services; the single agent with the same operations per step as a team).
 *
 * Global state = [ state | history | slow means of the entry rate | seconds since the last change,
 * per service | previous action of each agent | organisation | cost weight ]. What is not a
 * function of the state travels in the game part. A previous action is (service, change) for one
 * operation and the change of every service for `all`. The history (the frame stack without its
 * newest state) is the observed columns of the obs.stack - 1 states before, newest first (the first
 * state of the episode where there are fewer), normalised like the state. The slow means
 * (obs.rates) are exponential means of the entry rate of the decisions so far, one for each
 * half-life, normalised, too; they start at the first rate of the episode.
 *
 * The cost weight is there only in a training that draws it (cost.h, conditioned); agents and
 * critic see it. What an episode pays is reward_at() its weight, whatever the law.
 *
 * Organisation (core/org/guides.h), if there is one: it enters as masks, as reward, and as what is
 * seen of it. For each agent and decision a random draw says whether its *mask is active*: its
 * choices are then masked to those whose change its roles allow. The change that counts is the one
 * that would be executed, so at the head `level` every choice that comes to an allowed change
 * stays, and every choice that comes to none; where nothing but no change is left, one such choice
 * stays, so that the agent has no choice and learns nothing from it. The draw is made before
 * acting, from RNG_HARDNESS at (agent, decision, episode, environment) under the episode's seed and
 * split, each member of a group of environments by its own number: a function of the episode, so
 * that replay, resume and evaluation see the same one. Its part of the global state is [ norms in
 * force (n_norms) | for each agent: mask active, services it may enlarge (n_services), services it
 * may shrink (n_services) ]; an agent sees its own, the critic all. Without an organisation there
 * is no such part.
 *
 * Shield (core/shield/shield.h), if there is one: no agent may choose a change that the shield
 * would alter if it were the only one; no change is always open. What the agents' choices come to
 * together passes the shield, too, so what is executed is what may be done. Its limits need the
 * ages of the state: rules_shield_observe() after each rules_observe(). Its history is a part of
 * the memory, and like the rest of it a function of the episode and its actions: a replay makes it
 * anew.
 */
#ifndef KARMA_GAME_RULES_H
#define KARMA_GAME_RULES_H

#include "core/base/config.h"
#include "core/base/mem.h"
#include "core/game/cost.h"
#include "core/game/env_setup.h"
#include "core/game/interface.h"
#include "core/game/need.h"
#include "core/org/guides.h"
#include "core/shield/shield.h"

enum { RULES_CHANGE_AGE_MAX_S = 600 }; /* seconds since a change are counted up to here */

enum action_head { HEAD_LEVEL, HEAD_DELTA, HEAD_NEED };
enum operations { OPERATIONS_ONE, OPERATIONS_ALL, OPERATIONS_OWN };

/* The choices of the head `need`. A multiple m of the measured rate needs
 *
 *     ceil(m rate visits_s / (mu_s rho_s))        rho_s = need_load_max() of the two bounds
 *
 * pods of service s (need.h). */
struct need_cfg {
    double utilisation; /* largest load of a pod */
    double wait_share;  /* of latency_max that a call may take at one service */
    double *loads;      /* multiples to choose from */
    int n_loads;
};

struct action_cfg {
    int head;       /* enum action_head */
    int operations; /* enum operations */
    struct need_cfg need;
};

/* full: every observed column. role: of the state only what the agent's rules, norms and goals read
 * (guides_reads()), and the pods of every service, since those are what it changes; the rest is 0,
 * the mean. The central critic sees all in either case. */
enum obs_view { OBS_FULL, OBS_ROLE };

struct obs_cfg {
    int view;      /* enum obs_view */
    int stack;     /* states seen at once, this one included */
    double *rates; /* half-lives of the slow means of the entry rate, s */
    int n_rates;
};

struct game_cfg {
    int horizon;         /* decisions of an episode */
    const char **agents; /* names of the agents, one per role */
    int n_agents;
    struct action_cfg action;
    struct obs_cfg obs;
    const char **authority; /* agents, the highest first; none: requested changes are summed */
    int n_authority;
};
extern const struct cfg_field game_fields[];

/* Compiled rules; immutable. With an organisation an episode leaves the organisational metrics of
 * each agent (org_metric_values.h) behind. */
struct rules {
    struct interface interface; /* the rules as one of a game; first */
    const struct game_cfg *cfg;
    const struct env_setup *env_setup;
    const struct guides *guides; /* NULL: no organisation */
    const struct shield *shield; /* NULL: none; set before the first memory is made */
    struct team_spec spec;       /* spec.ctx points back here */
    struct env_spec env;         /* of a game that these rules play alone */
    struct cost_law cost;        /* fixed at plant.cost_weight, unless rules_weigh_cost() */
    int n_services, n_state;
    int n_last_action;          /* columns of an agent's previous action */
    const int *choice_at;       /* (n_services + 1): level head, first choice of a service */
    const int *choice_of;       /* (choice_at[n_services]) the service of each of these choices */
    const double *pods_per_rps; /* (n_services) head need: pods for an entry rate of 1/s */
    const double *rate_keep;    /* (obs.n_rates) share of a slow mean that the next one keeps */
    const int *obs_from;        /* (n_obs_state) columns of the state a policy sees */
    const uint8_t *sight;       /* (A, n_obs_state) which of them an agent sees; NULL: all */
    const int *guide_of;        /* (A) the agent's number in the organisation; NULL without one */
    const int *priority_of;     /* (A) in the order of authority, 0 the highest; NULL: none */
    int n_obs_state;
};

/* `r` must stay where it is. ERR_CONFIG if the head is too large, or for what only an organisation
 * makes possible. */
enum err rules_init(struct rules *r, struct arena *arena, const struct game_cfg *cfg,
                    const struct env_setup *env_setup) WARN_UNUSED;

/* The same with an organisation, unless it has no agents (then there is none). Its agents must be
 * the game's, in any order. src_locs (may be NULL): where `organisation` stands, for messages. All
 * by reference. ERR_CONFIG for what guides_init() refuses, too. */
enum err rules_init_organised(struct rules *r, struct arena *arena, const struct game_cfg *cfg,
                              const struct env_setup *env_setup, const struct org_cfg *organisation,
                              const struct cfg *src_locs) WARN_UNUSED;

/* The critic of a team that plays by these rules is shown the privileged part (privileged.h). Right
 * after initialisation: the shapes of r->spec change. */
void rules_show_privileged(struct rules *r);

/* Episodes get their cost weight by this law; conditioned, it is seen, too. Right after
 * initialisation: the shapes of r->spec change. */
void rules_weigh_cost(struct rules *r, const struct cost_law *law);

/* The rules behind an interface; NULL if it is another one. */
const struct rules *rules_of(const struct interface *i);

/* Names of the columns that are normalised (spec.n_norm): "service.feature" or "feature", the
 * state's first, then "NAME, N before" of older ones. NULL when out of memory. */
const char *const *rules_columns(const struct rules *r, struct arena *arena);

/* Names of the inputs of an agent's network (spec.n_obs), as rules_columns() names columns; others
 * in words: "a: time since its change", "own last change". NULL when out of memory. */
const char *const *rules_inputs(const struct rules *r, struct arena *arena);

/* Is input i of the networks, an observation's or the critic's, a column of the state that the
 * plant of this training does not have (env_setup.unknown)? */
bool rules_input_unknown(const struct rules *r, int i);

/* What an episode remembers beyond the state. */
struct rules_memory {
    float *change_age_s; /* (n_services) seconds since desired last changed, at most 600 */
    float *
        last_action; /* (A, n_last_action) one: service (-1 = none), change / alpha; all: changes */
    float *frames; /* (obs.stack, n_obs_state) states as observed, this one first; stack 1: none */
    double *rates; /* (obs.n_rates) slow means of the entry rate */
    struct episode_id id;
    uint32_t
        coins; /* environment that the draws of active masks belong to: id.env, but in a group */
    double cost_weight; /* of this episode, by r->cost; who plays may set another one */
    int n_observed;     /* states of this episode so far */
    int32_t
        *highest; /* (n_services) scratch: priority and sign of the requested change that decides */
    int32_t *imitated; /* (n_services) scratch of rules_imitate() */
    /* with an organisation */
    struct guides_memory guides;
    uint8_t *mask_active; /* (A) whether its mask holds at this decision */
    uint8_t *compliant;   /* (A) whether the last action was allowed */
    /* with a shield */
    struct shield_history past;
    struct shield_verdict verdict;
    struct shield_view view; /* the last one */
    int32_t *least, *most;   /* (n_services) changes that pass alone, 0 included */
    int32_t *wanted;         /* (n_services) what the last action came to before the shield */
};
enum err rules_memory_init(struct rules_memory *m, struct arena *arena,
                           const struct rules *r) WARN_UNUSED;
/* What stands in the memory that rules as an interface have made; NULL if it is another one. */
struct rules_memory *rules_memory_of(void *memory, const struct interface *i);
void rules_memory_clear(struct rules_memory *m, const struct rules *r);

/* An episode starts: clears, and fixes the coordinates of its random draws. */
void rules_begin(struct rules_memory *m, const struct rules *r, const struct episode_id *id);

/* The state of the next decision, the one that the last action of an episode led to included. Once
 * each. */
void rules_observe(struct rules_memory *m, const struct rules *r, const float *state);

/* What the shield sees of it; its state is kept by reference until the next one. Nothing happens
 * without a shield. */
void rules_shield_observe(struct rules_memory *m, const struct rules *r,
                          const struct shield_view *view);

/* global_state (G) and mask (A, F, words) of the current state. */
void rules_global_state(float *global_state, uint32_t *mask, const struct rules *r,
                        const struct rules_memory *m, const float *state);

/* mask (A, F, words) as it would be if no mask of the organisation were active and there were no
 * shield. */
void rules_open_mask(uint32_t *mask, const struct rules *r, const float *state);

/* action (A, F) -> delta (n_services): changes summed over agents, cut to +-alpha and to the
 * replica bounds. *conflict: two agents asked for opposite signs on one service; with an order of
 * authority the one that stands higher has its way, and what is asked against it is dropped.
 * Updates the memory. */
void rules_apply(int32_t *delta, bool *conflict, struct rules_memory *m, const struct rules *r,
                 const float *state, const int32_t *action);

/* What the organisation adds to an agent's reward for the step that the last rules_observe() ended;
 * zeros without one. */
void rules_reward(struct guides_reward *out, const struct rules_memory *m, const struct rules *r,
                  int agent);

/* change (n_services) that an agent's action (F) asks for in that state: before the changes of all
 * agents are summed and cut. */
void rules_changes(int32_t *change, const struct rules *r, const float *state,
                   const int32_t *action);

/* Whether the organisation allows what an agent's action (F) does now; true without one. */
bool rules_compliant(const struct rules *r, const struct guides_memory *m, int guide,
                     const float *state, const int32_t *action);

/* Changes (service, not 0) that an agent of the organisation has now, replica bounds included. */
int rules_options(const struct rules *r, const struct guides_memory *m, int guide,
                  const float *state);

/* The team's imitation of a rule that wants target (n_services) replicas: action (A, F), inside the
 * masks. Without an organisation agent i takes care of those services s with s % A == i, with one
 * operation of the one furthest from its target, and leaves the others as they are; behind a shield
 * a target is drawn in until its change passes. With one, whose
 * roles say who may do what, agents choose in turn, each the allowed choice that brings the sum so
 * far nearest to the target, none if nothing helps. */
void rules_imitate(int32_t *action, const struct rules *r, const struct rules_memory *m,
                   const float *state, const int32_t *target);

#endif
