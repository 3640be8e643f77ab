/* The rules of the game: how agents see a state and how their choices become a change of replicas.
 *
 * Pure functions of (state, memory). Training (game.h) and evaluation (controllers/policy.c) use
 * the same ones, so what was learned is what is played.
 *
 * Heads (arXiv 2505.21559 has the action (service, change), |change| <= alpha):
 *   level  choose (service, target replicas 1..max); executed as clip(target - desired, +-alpha)
 *   delta  choose the change itself: no-op, or (service, change != 0)
 * Operations: `one` service for each agent and step (F = 1), or `all`: one choice for each service
 * (F = n_services; the single agent with the same operations per step as a team).
 *
 * Row = [ state | seconds since the last change, per service | previous action of each agent ].
 * What is not a function of the state travels in the game part. A previous action is (service,
 * change) for `one` operation and the change of every service for `all`.
 */
#ifndef KARMA_GAME_RULES_H
#define KARMA_GAME_RULES_H

#include "core/base/config.h"
#include "core/base/mem.h"
#include "core/game/world.h"
#include "core/marl/env.h"

enum action_head { HEAD_LEVEL, HEAD_DELTA };
enum operations { OPERATIONS_ONE, OPERATIONS_ALL };

struct action_cfg {
    int head;       /* enum action_head */
    int operations; /* enum operations */
};

struct game_cfg {
    int horizon;         /* decisions of an episode */
    const char **agents; /* names of the agents, one per role */
    int n_agents;
    struct action_cfg action;
};
extern const struct cfg_field game_fields[];

/* Compiled rules; immutable. */
struct rules {
    const struct game_cfg *cfg;
    const struct world *world;
    struct env_spec spec; /* spec.ctx points back here */
    int n_services, n_state;
    int n_last;           /* columns of an agent's previous action in a row */
    const int *choice_at; /* (n_services + 1): level head, first choice of a service */
    const int *obs_from;  /* (n_obs_state) columns of the state a policy sees */
    int n_obs_state;
};

/* `r` must stay where it is. ERR_CONFIG if the head is too large. */
enum err rules_init(struct rules *r, struct arena *arena, const struct game_cfg *cfg,
                    const struct world *world) WARN_UNUSED;

/* What an episode remembers beyond the state. */
struct rules_memory {
    float *since_s; /* (n_services) seconds since desired last changed, at most 600 */
    float *last; /* (A, n_last) one: service index (-1 = none), change / alpha; all: the changes */
};
enum err rules_memory_init(struct rules_memory *m, struct arena *arena,
                           const struct rules *r) WARN_UNUSED;
void rules_memory_clear(struct rules_memory *m, const struct rules *r);

/* row (R) and mask (A, F, words) of the current state. */
void rules_row(float *row, uint32_t *mask, const struct rules *r, const struct rules_memory *m,
               const float *state);

/* action (A, F) -> delta (n_services): changes summed over agents, cut to +-alpha and to the
 * replica bounds. *conflict: two agents asked for opposite signs on one service. Updates the
 * memory. */
void rules_apply(int32_t *delta, bool *conflict, struct rules_memory *m, const struct rules *r,
                 const float *state, const int32_t *action);

/* The team's imitation of a rule that wants target (n_services) replicas: agent i takes care of
 * those services s with s % A == i, with one operation of the one furthest from its target, and
 * leaves the others as they are; action (A, F), inside the masks. */
void rules_imitate(int32_t *action, const struct rules *r, const float *state,
                   const int32_t *target);

#endif
