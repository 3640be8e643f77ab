/* KARMA's own method: agents that play by the rules of the game, with an organisation if there is
 * one, and MAPPO. Its parameters are the sections game, organisation, team and mappo. */
#include "core/marl/mappo_learner.h"
#include "core/methods/kinds.h"

#include <string.h>

struct karma_params {
    char none; /* a kind's struct has at least one byte */
};

static enum err karma_make(struct method *m, struct arena *arena)
{
    m->interface = &m->setup.rules->interface;
    m->columns = rules_columns(m->setup.rules, arena);
    return m->columns != NULL ? ERR_OK : ERR_MEMORY;
}

/* Sets to 0 the first-layer weights of the inputs that the plant of this training does not have.
 * Such an input is always 0, and so is the gradient of its weights, input times error of the unit:
 * the weights stay 0. Random ones would stay, too, and a policy that meets these inputs on another
 * plant would follow weights that were never trained. Row i of the first matrix (inputs, units)
 * belongs to input i. */
static void blind(const struct mlp *net, float *params, const struct rules *rules)
{
    const size_t n = (size_t)net->shape.sizes[1];
    for (int i = 0; i < net->shape.sizes[0]; i++) {
        if (rules_input_unknown(rules, i)) {
            memset(params + net->w[0] + (size_t)i * n, 0, n * sizeof *params);
        }
    }
}

static void blind_team(struct team *t, const struct rules *rules)
{
    for (int i = 0; i < t->n_actors; i++) {
        blind(&t->actor, t->w.params + t->actor_at[i], rules);
    }
    blind(&t->critic, t->w.params + t->critic_at[0], rules);
}

static enum err karma_learner(struct learner **out, struct arena *arena, const struct method *m,
                              int team, bool learns, uint64_t seed, struct arena *scratch)
{
    const struct mappo_plan plan = {.team = m->setup.team,
                                    .mappo = learns ? m->setup.mappo : NULL,
                                    .spec = m->interface->spec,
                                    .number = team};
    struct mappo_learner *learner;
    TRY(mappo_learner_new(&learner, arena, &plan, seed, scratch));
    blind_team(learner->team, m->setup.rules);
    *out = &learner->base;
    return ERR_OK;
}

static const struct cfg_field karma_fields[] = {CFG_END};

const struct method_kind method_karma = {
    .cfg = {"karma", "agents with roles that learn by MAPPO (sections game to mappo)", karma_fields,
            sizeof(struct karma_params)},
    .make = karma_make,
    .learner = karma_learner,
};
