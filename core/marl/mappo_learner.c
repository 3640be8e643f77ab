/* MAPPO behind the interface of learners. See mappo_learner.h. */
#include "core/marl/mappo_learner.h"

#include <stdio.h>

static struct mappo_learner *self(struct learner *l)
{
    return (struct mappo_learner *)l;
}

static void act(struct learner *l, int32_t *action, float *logp, float *state,
                const struct learner_view *v)
{
    struct mappo_learner *m = self(l);
    (void)state;
    team_act(m->team, m->act, action, logp, v->global_state, v->mask, v->n,
             v->greedy ? ACT_ARGMAX : ACT_SAMPLE, v->key, v->gid, v->update, v->step);
}

static void value(struct learner *l, float *out, const struct learner_rows *rows)
{
    struct mappo_learner *m = self(l);
    team_value(m->team, m->value, out, rows->global_state, rows->privileged,
               rows->n * rows->n_steps);
}

static void refresh(struct learner *l)
{
    team_refresh(self(l)->team);
}

static enum err prepare(struct learner *l, struct arena *arena, const struct learner_batch *batch)
{
    struct mappo_learner *m = self(l);
    TRY(mappo_init(&m->mappo, arena, &m->cfg, m->team, batch->seed, batch->n_env, batch->n_steps,
                   batch->n_mine, &batch->sums[0], &batch->sums[1]));
    mappo_set_group(m->mappo, batch->group > 1 ? batch->group : 1);
    mappo_optimiser(m->mappo, &l->parts[0].values, &l->parts[1].values, &l->counter);
    return ERR_OK;
}

static enum mappo_phase phase_of(enum learn_phase phase)
{
    switch (phase) {
    case LEARN_WARMUP:
        return MAPPO_WARMUP;
    case LEARN_CLONE:
        return MAPPO_CLONE;
    case LEARN_VALUE:
        return MAPPO_VALUE;
    case LEARN_ALL:
        break;
    }
    return MAPPO_PPO;
}

/* In the order of columns[]. */
static void tell(struct learn_stats *out, const struct mappo_learner *m)
{
    const struct mappo_stats *s = &m->stats;
    const bool exact = m->team->cfg->gemm == GEMM_FIXED; /* OpenBLAS makes no such promise */
    *out = (struct learn_stats){
        .reward = s->reward,
        .entropy = s->entropy,
        .acted_dev = exact ? s->ratio_max_dev : 0.0,
        .entropy_least = s->entropy_least,
        .entropy_agent = s->entropy_agent,
        .columns = {s->policy_loss, s->value_loss, s->entropy, s->kl, s->clip_fraction,
                    s->ratio_max_dev, s->grad_norm, s->explained_variance, s->lr},
    };
}

static enum err learn(struct learner *l, struct block *blocks, const struct learn_args *args,
                      struct learn_stats *out)
{
    struct mappo_learner *m = self(l);
    m->cfg.lr = args->lr < 0.0 ? m->own->lr : args->lr;
    m->cfg.lr_end = args->lr < 0.0 ? m->own->lr_end : args->lr_end;
    TRY(mappo_update(m->mappo, blocks, phase_of(args->phase), args->progress, &m->stats));
    tell(out, m);
    return ERR_OK;
}

static const char *fault(const struct learner *l)
{
    const struct mappo_learner *m = (const struct mappo_learner *)l;
    return m->mappo == NULL ? "" : mappo_fault(m->mappo);
}

static void advise(const struct learner *l, char text[LEARNER_TEXT], enum learner_trouble what)
{
    const struct mappo_learner *m = (const struct mappo_learner *)l;
    const double lr = m->own->lr;
    switch (what) {
    case LEARNER_COLLAPSES:
        (void)snprintf(
            text, LEARNER_TEXT,
            "If this is early, the step is too large (%s.lr %g) or %s.entropy (%g) too small",
            m->section, m->stats.lr, m->section, m->own->entropy);
        return;
    case LEARNER_COLLAPSED:
        (void)snprintf(text, LEARNER_TEXT,
                       "train anew with a smaller step: --restart --set %s.lr=%g", m->section,
                       lr / 10);
        return;
    case LEARNER_NOT_FINITE:
        (void)snprintf(text, LEARNER_TEXT,
                       "train anew with a smaller step, --restart --set %s.lr=%g (it is %g)",
                       m->section, lr / 10, lr);
        return;
    }
}

static const char *const columns[] = {"policy_loss", "value_loss",         "entropy",
                                      "kl",          "clip_fraction",      "ratio_max_dev",
                                      "grad_norm",   "explained_variance", "lr"};
enum { N_COLUMNS = sizeof columns / sizeof *columns };
static const struct learner_ops mappo_ops = {
    .name = "mappo",
    .n_columns = N_COLUMNS,
    .columns = columns,
    .act = act,
    .value = value,
    .refresh = refresh,
    .prepare = prepare,
    .learn = learn,
    .fault = fault,
    .advise = advise,
};
static const struct learner_ops player_ops = {
    .name = "mappo player", .act = act, .value = value, .refresh = refresh};

static void describe_learning(struct mappo_learner *m)
{
    struct learner *l = &m->base;
    struct reduce_shape *shapes[] = {&m->grad, &m->batch};
    mappo_shapes(m->team, &m->grad, &m->batch);
    for (int i = 0; i < 2; i++) {
        l->sums[i] =
            (struct learner_sum){.bytes = reduce_bytes(shapes[i]),
                                 .merge = reduce_merge,
                                 .ctx = shapes[i],
                                 .merge_part = shapes[i]->n_stats == 0 ? reduce_merge_part : NULL};
        l->parts[i].n = m->team->w.n_params; /* the moments of Adam */
    }
    l->n_sums = l->n_parts = 2;
}

enum err mappo_learner_init(struct mappo_learner *m, struct arena *arena, struct team *team,
                            const struct mappo_cfg *cfg)
{
    const int n_value = team->cfg->row_block > TILE ? team->cfg->row_block : TILE;
    *m = (struct mappo_learner){
        .base = {.ops = cfg != NULL ? &mappo_ops : &player_ops,
                 .spec = team->spec,
                 .team = team->number,
                 .w = &team->w},
        .team = team,
        .own = cfg,
        .section = "mappo",
    };
    if (cfg != NULL) {
        m->cfg = *cfg;
        m->base.turns = cfg->minibatches;
        describe_learning(m);
    }
    TRY(team_scratch_init(&m->act, arena, team, TILE));
    return team_scratch_init(&m->value, arena, team, n_value);
}

struct networks {
    struct team team;
    struct mappo_learner learner;
};

enum err mappo_learner_new(struct mappo_learner **out, struct arena *arena,
                           const struct mappo_plan *plan, uint64_t seed, struct arena *scratch)
{
    struct networks *n = ARENA_NEW(arena, 1, struct networks);
    TRY(arena_error(arena));
    TRY(team_init(&n->team, arena, plan->team, plan->spec));
    n->team.number = plan->number;
    TRY(team_init_params(&n->team, seed, scratch));
    TRY(mappo_learner_init(&n->learner, arena, &n->team, plan->mappo));
    n->learner.section = plan->section != NULL ? plan->section : "mappo";
    *out = &n->learner;
    return ERR_OK;
}

struct mappo_learner *mappo_of(struct learner *l)
{
    return l->ops == &mappo_ops ? self(l) : NULL;
}

const struct team *mappo_team_of(const struct learner *l)
{
    const bool known = l->ops == &mappo_ops || l->ops == &player_ops;
    return known ? ((const struct mappo_learner *)l)->team : NULL;
}
