/* What the files of the rules share.
 *
 *   rules.c            keys and building
 *   rules_memory.c     what an episode remembers; choices of a decision -> change of replicas
 *   choices.c          one choice <-> (service, change); masks, and the global state beside them
 *   view.c             the global state and what agents see of it
 *   imitate.c          the replicas that a rule requests as the choices of a team
 *   rules_interface.c  the rules as an interface of a game
 *
 * Private to core/game.
 */
#ifndef KARMA_GAME_RULES_PARTS_H
#define KARMA_GAME_RULES_PARTS_H

#include "core/game/rules.h"
#include "core/plant/schema.h"

/* ---- as an interface (rules_interface.c) ---- */

extern const struct interface_ops rules_interface_ops;

/* ---- choices (choices.c) ---- */

struct op {
    int service, delta; /* delta 0: nothing */
};

static inline int clip_int(int x, int lo, int hi)
{
    return x < lo ? lo : x > hi ? hi : x;
}

static inline int desired_of(const float *state, int service)
{
    return (int)state[state_service_at(service, SF_DESIRED)];
}

static inline const struct service_cfg *service_of(const struct rules *r, int s)
{
    return &r->env_setup->cfg.topology->services[s];
}

static inline bool operates_all(const struct rules *r)
{
    return r->cfg->action.operations == OPERATIONS_ALL;
}

/* Whether an agent may operate a service at all. */
static inline bool rules_owns(const struct rules *r, int agent, int service)
{
    return r->cfg->action.operations != OPERATIONS_OWN || service % r->spec.n_agents == agent;
}

/* What choice k of factor f does. */
struct op rules_op(const struct rules *r, const float *state, int f, int k);
/* Change that follows from aiming at `target` replicas. */
int rules_delta_to(const struct rules *r, const float *state, int service, int target);
/* Whether replica bounds let choice k of factor f be made. */
bool rules_choice_open(const struct rules *r, const float *state, int f, int k);
/* The same, and the organisation lets the agent. */
bool rules_choice_allowed(const struct rules *r, const struct rules_memory *m, const float *state,
                          int agent, int f, int k);

/* ---- the global state (view.c) ---- */

/* First columns of its parts. */
int view_history(const struct rules *r);
int view_rates(const struct rules *r);
int view_change_age(const struct rules *r);
int view_last_action(const struct rules *r);
int view_norms(const struct rules *r);
int view_cost(const struct rules *r);

/* Columns of the state that are observed, shapes and functions of r->spec. What r->guides says must
 * stand already. */
enum err view_init(struct rules *r, struct arena *arena) WARN_UNUSED;

/* Columns of frames, of the organisation's part; see rules.h. */
int view_frames(const struct rules *r);
void view_put_organisation(float *out, const struct rules *r, const struct rules_memory *m);

#endif
