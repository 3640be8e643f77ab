/* bandit: a method of training that only the test program karma_extra has, to show what a new one
 * takes: this file, and one line in method_kinds.c beside it. Nothing in it is of KARMA's own
 * method: neither its observations nor its reward nor networks.
 *
 * One agent gives every service a pod, takes one, or leaves all as they are. It sees whether CPU
 * use is above `high` of what ready pods request, and remembers its last choice, as recurrent
 * state. For each of these states the learner keeps the mean reward of each choice: the requests
 * answered, minus `price` for each pod. It explores in one of four decisions.
 */
#include "core/methods/kinds.h"
#include "core/plant/schema.h"

#include <string.h>

enum { CHOICES = 3, SEEN = 2, CELLS = SEEN * (CHOICES + 1) * CHOICES };

struct bandit_params {
    double high, price;
};

/* ---- interface ---- */

struct bandit {
    struct interface interface; /* first */
    struct team_spec spec;
    const struct method *method;
};

static const struct topology_cfg *topology_of(const struct interface *i)
{
    return ((const struct bandit *)(const void *)i)->method->setup.env_setup->cfg.topology;
}

static const struct bandit_params *params_of(const struct interface *i)
{
    return ((const struct bandit *)(const void *)i)->method->setup.params;
}

static enum err bandit_memory(void **out, struct arena *arena, const struct interface *i)
{
    (void)i;
    *out = ARENA_NEW(arena, 1, float);
    return arena_error(arena);
}

static void bandit_begin(void *memory, const struct interface *i, const struct episode_id *id,
                         uint32_t gid)
{
    (void)i;
    (void)id;
    (void)gid;
    *(float *)memory = 0.0F;
}

static void bandit_observe(void *memory, const struct interface *i, const struct sight *sight)
{
    const struct topology_cfg *t = topology_of(i);
    double used = 0.0, requested = 0.0;
    for (int s = 0; s < t->n_services; s++) {
        used += (double)sight->state[state_service_at(s, SF_CPU)];
        requested += (double)sight->state[state_service_at(s, SF_READY)] * t->services[s].cpu_m;
    }
    *(float *)memory = used > params_of(i)->high * requested ? 1.0F : 0.0F;
}

static void bandit_global_state(float *global_state, uint32_t *mask, const void *memory,
                                const struct interface *i, const struct sight *sight)
{
    (void)i;
    (void)sight;
    global_state[0] = *(const float *)memory;
    mask[0] = (1U << CHOICES) - 1U;
}

static void bandit_apply(struct game_move *move, void *memory, const struct interface *i,
                         const struct sight *sight, const int32_t *action)
{
    const struct topology_cfg *t = topology_of(i);
    (void)memory;
    for (int s = 0; s < t->n_services; s++) {
        const int desired = (int)sight->state[state_service_at(s, SF_DESIRED)];
        const int want = desired + action[0] - 1;
        const bool fits =
            want >= t->services[s].min_replicas && want <= t->services[s].max_replicas;
        move->delta[s] = fits ? action[0] - 1 : 0;
    }
}

static void bandit_reward(float *reward, void *memory, const struct interface *i,
                          const struct sight *sight, const struct reward_terms *terms)
{
    const int n = topology_of(i)->n_services;
    (void)memory;
    (void)terms;
    reward[0] = sight->state[state_global_at(n, GF_ANSWERED)];
    for (int s = 0; s < n; s++) {
        reward[0] -= (float)params_of(i)->price * sight->state[state_service_at(s, SF_DESIRED)];
    }
}

static const struct interface_ops bandit_ops = {.name = "bandit",
                                                .memory = bandit_memory,
                                                .begin = bandit_begin,
                                                .observe = bandit_observe,
                                                .global_state = bandit_global_state,
                                                .apply = bandit_apply,
                                                .reward = bandit_reward};

static enum err bandit_make(struct method *m, struct arena *arena)
{
    static const char *const agents[] = {"bandit"}, *const columns[] = {"hot"};
    struct bandit *b = ARENA_NEW(arena, 1, struct bandit);
    TRY(arena_error(arena));
    *b = (struct bandit){.interface = {.ops = &bandit_ops, .spec = &b->spec},
                         .spec = {.name = "bandit",
                                  .n_agents = 1,
                                  .n_global_state = 1,
                                  .n_norm = 1,
                                  .n_obs = 1,
                                  .n_critic = 1,
                                  .n_factors = 1,
                                  .n_choices = CHOICES,
                                  .n_state = 1,
                                  .agent_names = agents},
                         .method = m};
    m->interface = &b->interface;
    m->columns = columns;
    return ERR_OK;
}

/* ---- learner ---- */

struct table {
    struct learner base; /* first */
    struct weights w;    /* params (CELLS): sums of rewards; global_state_stats (CELLS): visits */
    struct reduce_shape shape;
    struct learner_batch batch;
    void *total;
    uint64_t counter;
};

/* First cell of what is seen and carried: 0 for no choice yet, else the last choice + 1. */
static int cell(float seen, float carried)
{
    return ((int)seen * (CHOICES + 1) + (int)carried) * CHOICES;
}

static int best(const struct table *t, int at)
{
    int k = 1;
    for (int i = 0; i < CHOICES; i++) {
        const double mean[2] = {
            (double)t->w.params[at + k] / (t->w.global_state_stats[at + k] + 1e-9),
            (double)t->w.params[at + i] / (t->w.global_state_stats[at + i] + 1e-9)};
        k = mean[1] > mean[0] ? i : k;
    }
    return k;
}

static void act(struct learner *l, int32_t *action, float *logp, float *state,
                const struct learner_view *v)
{
    const struct table *t = (const struct table *)l;
    for (int e = 0; e < v->n; e++) {
        const int at = cell(v->global_state[e], state[e]);
        action[e] = best(t, at);
        if (!v->greedy) {
            const struct rng_block r =
                rng_philox(v->key, env_draw(l->team), v->step, v->update, v->gid[e]);
            action[e] = r.v[0] % 4 == 0 ? (int32_t)rng_below(r.v[1], CHOICES) : action[e];
        }
        state[e] = (float)action[e] + 1.0F;
        logp[e] = 0.0F;
    }
}

/* The record of a tile: sums and visits of all cells, rewards and their number. */
static void count(float *leaf, const struct block *b)
{
    for (int e = 0; e < b->n_env; e++) {
        float carried = b->state[e];
        for (int k = e * b->n_steps; k < (e + 1) * b->n_steps; k++) {
            const int at = cell(b->global_state[k], carried) + b->action[k];
            leaf[at] += b->reward[k];
            leaf[CELLS + at] += 1.0F;
            carried = b->flag[k] == ENV_RUNNING ? (float)b->action[k] + 1.0F : 0.0F;
        }
    }
}

static enum err learn(struct learner *l, struct block *blocks, const struct learn_args *args,
                      struct learn_stats *out)
{
    struct table *t = (struct table *)l;
    const struct reducer *sum = &t->batch.sums[0];
    double rewards = 0.0, visits = 0.0;
    for (int i = 0; i < t->batch.n_mine; i++) {
        void *leaf = sum->leaf(sum->ctx, blocks[i].tile);
        reduce_clear(&t->shape, leaf);
        count(reduce_floats(leaf), &blocks[i]);
        sum->leaf_done(sum->ctx, blocks[i].tile);
    }
    TRY(sum->total(sum->ctx, t->total));
    const float *total = reduce_floats(t->total);
    for (int i = 0; i < CELLS; i++) {
        rewards += (double)total[i];
        visits += (double)total[CELLS + i];
        t->w.params[i] += args->phase == LEARN_ALL ? total[i] : 0.0F;
        t->w.global_state_stats[i] += args->phase == LEARN_ALL ? (double)total[CELLS + i] : 0.0;
    }
    *out = (struct learn_stats){.reward = rewards / visits, .entropy_agent = -1};
    t->w.version++;
    return ERR_OK;
}

static enum err prepare(struct learner *l, struct arena *arena, const struct learner_batch *batch)
{
    struct table *t = (struct table *)l;
    t->batch = *batch;
    t->total = arena_alloc(arena, 1, l->sums[0].bytes);
    l->counter = &t->counter;
    return arena_error(arena);
}

static const struct learner_ops table_ops = {
    .name = "bandit", .act = act, .prepare = prepare, .learn = learn};
static const struct learner_ops player_ops = {.name = "bandit player", .act = act};

static enum err bandit_learner(struct learner **out, struct arena *arena, const struct method *m,
                               int team, bool learns, uint64_t seed, struct arena *scratch)
{
    struct table *t = ARENA_NEW(arena, 1, struct table);
    (void)seed;
    (void)scratch;
    TRY(arena_error(arena));
    *t = (struct table){.base = {.ops = learns ? &table_ops : &player_ops,
                                 .spec = m->interface->spec,
                                 .team = team,
                                 .w = &t->w,
                                 .n_sums = learns ? 1 : 0},
                        .w = {.n_params = CELLS, .n_global_state_stats = CELLS},
                        .shape = {.n_floats = 2 * CELLS}};
    t->base.sums[0] =
        (struct learner_sum){reduce_bytes(&t->shape), reduce_merge, &t->shape, reduce_merge_part};
    *out = &t->base;
    return weights_init(&t->w, arena);
}

static enum err bandit_check(const struct method_setup *setup)
{
    const struct bandit_params *p = setup->params;
    return p->price < p->high ? ERR_OK
                              : cfg_error(setup->src_locs, "method.bandit.price",
                                          "is %g; set it below high (%g)", p->price, p->high);
}

static const struct cfg_field bandit_fields[] = {
    CFG_DOUBLE(struct bandit_params, high, "0.7", 0, 1, "", CFG_RESULT, "CPU use that is much"),
    CFG_DOUBLE(struct bandit_params, price, "0.01", 0, 1, "", CFG_RESULT, "of a pod"),
    CFG_END,
};

extern const struct method_kind method_bandit;
const struct method_kind method_bandit = {
    .cfg = {"bandit", "one agent that counts rewards", bandit_fields, sizeof(struct bandit_params)},
    .check = bandit_check,
    .make = bandit_make,
    .learner = bandit_learner,
};
