/* Update codec: everything an outside implementation needs to make one update again. It is written
 * once in a training and never read back by this program, so there is only a put; arrays that the
 * message needs in another order are built in scratch. */
#include "proto/update_dump.h"
#include "proto/block_message.h"
#include "proto/update_dump.pb-c.h"
#include "proto/weights_message.h"
#include "proto/wire.h"

#include <string.h>

/* ---- shapes ---- */

static size_t count_envs(const struct update_dump *d)
{
    size_t n = 0;
    for (int i = 0; i < d->n_blocks; i++) {
        n += (size_t)d->blocks[i].n_env;
    }
    return n;
}

/* Rows (environment, step) of the batch; all blocks have the same number of steps. */
static size_t count_rows(const struct update_dump *d)
{
    return count_envs(d) * (size_t)d->blocks[0].n_steps;
}

static void put_shapes(Karma__UpdateDump *m, const struct update_dump *d)
{
    const struct team_spec *spec = d->team->spec;
    m->update = d->update;
    m->seed = d->seed;
    m->n_env = (uint32_t)count_envs(d);
    m->n_steps = (uint32_t)d->blocks[0].n_steps;
    m->n_agents = (uint32_t)spec->n_agents;
    m->n_global_state = (uint32_t)spec->n_global_state;
    m->n_norm = (uint32_t)spec->n_norm;
    m->n_factors = (uint32_t)spec->n_factors;
    m->n_choices = (uint32_t)spec->n_choices;
}

/* Sizes and offsets of a network as the message's types. */
struct layout {
    uint32_t sizes[MLP_LAYERS_MAX + 1];
    uint64_t w[MLP_LAYERS_MAX], b[MLP_LAYERS_MAX];
};

static struct layout layout_of(const struct mlp *net)
{
    struct layout l = {.sizes = {0}};
    for (int i = 0; i <= net->shape.n_layers; i++) {
        l.sizes[i] = (uint32_t)net->shape.sizes[i];
    }
    for (int i = 0; i < net->shape.n_layers; i++) {
        l.w[i] = net->w[i];
        l.b[i] = net->b[i];
    }
    return l;
}

/* The message borrows from *actor and *critic, which must live until it is packed. */
static enum err put_networks(Karma__UpdateDump *m, const struct update_dump *d,
                             struct layout *actor, struct layout *critic, struct arena *scratch)
{
    const struct team *t = d->team;
    const size_t n_actor = (size_t)t->actor.shape.n_layers;
    const size_t n_critic = (size_t)t->critic.shape.n_layers;
    uint64_t *at = ARENA_NEW(scratch, t->n_actors, uint64_t);
    TRY(arena_error(scratch));
    for (int i = 0; i < t->n_actors; i++) {
        at[i] = t->actor_at[i];
    }
    *actor = layout_of(&t->actor);
    *critic = layout_of(&t->critic);
    m->activation = (char *)(uintptr_t)act_name(t->actor.shape.act);
    m->actor_sizes = actor->sizes, m->n_actor_sizes = n_actor + 1;
    m->actor_w = actor->w, m->n_actor_w = n_actor;
    m->actor_b = actor->b, m->n_actor_b = n_actor;
    m->actor_at = at, m->n_actor_at = (size_t)t->n_actors;
    m->critic_sizes = critic->sizes, m->n_critic_sizes = n_critic + 1;
    m->critic_w = critic->w, m->n_critic_w = n_critic;
    m->critic_b = critic->b, m->n_critic_b = n_critic;
    m->critic_at = t->critic_at[0];
    return ERR_OK;
}

/* ---- numbers ---- */

/* lr is that of this update, after its schedule; sigma_min and advantage_eps are constants of the
 * program. */
static void put_hyper_parameters(Karma__UpdateDump *m, const struct update_dump *d)
{
    const struct mappo_cfg *cfg = d->cfg;
    m->gamma = cfg->gamma;
    m->gae_lambda = cfg->lambda;
    m->clip = cfg->clip;
    m->value_clip = cfg->value_clip;
    m->huber_delta = cfg->huber_delta;
    m->entropy = cfg->entropy;
    m->lr = d->stats->lr;
    m->epochs = (uint32_t)cfg->epochs;
    m->minibatches = (uint32_t)d->n_minibatches;
    m->grad_norm = cfg->grad_norm;
    m->adam_beta1 = cfg->adam_beta1;
    m->adam_beta2 = cfg->adam_beta2;
    m->adam_eps = cfg->adam_eps;
    m->value_beta = cfg->value_beta;
    m->value_sigma_min = team_popart(d->team, cfg->value_beta).sigma_min;
    m->advantage_eps = mappo_advantage_eps;
    m->has_group = d->group > 1, m->group = (uint32_t)d->group;
}

/* adam_t packs two counters: steps of the actors in the upper half, of the critic in the lower. */
static void put_optimiser(Karma__UpdateDump *m, const struct update_dump *d)
{
    m->adam_m = (float *)(uintptr_t)d->adam_m, m->n_adam_m = d->before->n_params;
    m->adam_v = (float *)(uintptr_t)d->adam_v, m->n_adam_v = d->before->n_params;
    m->adam_t_actor = d->adam_t >> 32;
    m->adam_t_critic = d->adam_t & UINT32_MAX;
}

/* Means over all minibatches of all epochs, as the training log shows them. */
static void put_losses(Karma__UpdateDump *m, const struct mappo_stats *s)
{
    m->policy_loss = s->policy_loss;
    m->value_loss = s->value_loss;
    m->entropy_mean = s->entropy;
    m->kl = s->kl;
    m->clip_fraction = s->clip_fraction;
    m->grad_norm_mean = s->grad_norm;
}

/* ---- the batch ---- */

static enum err put_blocks(Karma__UpdateDump *m, const struct update_dump *d, struct arena *scratch)
{
    const struct team_spec *spec = d->team->spec;
    const size_t n = (size_t)d->n_blocks;
    Karma__TileBlock *blocks = ARENA_NEW(scratch, n, Karma__TileBlock);
    m->blocks = ARENA_NEW(scratch, n, Karma__TileBlock *);
    TRY(arena_error(scratch));
    for (size_t i = 0; i < n; i++) {
        const struct block *b = &d->blocks[i];
        float *bootstrap_value = ARENA_NEW(scratch, b->n_env * b->n_steps * spec->n_agents, float);
        TRY(arena_error(scratch));
        block_message(&blocks[i], b, spec, d->n_stats, bootstrap_value);
        m->blocks[i] = &blocks[i];
    }
    m->n_blocks = n;
    return ERR_OK;
}

/* Advantages and targets of all blocks, one behind the other. */
static enum err put_returns(Karma__UpdateDump *m, const struct update_dump *d,
                            struct arena *scratch)
{
    const size_t agents = (size_t)d->team->spec->n_agents;
    const size_t n = count_rows(d) * agents;
    m->advantage = ARENA_NEW(scratch, n, float);
    m->target = ARENA_NEW(scratch, n, float);
    TRY(arena_error(scratch));
    size_t at = 0;
    for (int i = 0; i < d->n_blocks; i++) {
        const struct block *b = &d->blocks[i];
        const size_t k = (size_t)b->n_env * (size_t)b->n_steps * agents;
        memcpy(m->advantage + at, b->advantage, k * sizeof(float));
        memcpy(m->target + at, b->target, k * sizeof(float));
        at += k;
    }
    m->n_advantage = m->n_target = n;
    return ERR_OK;
}

/* Inputs as the learner keeps them, (views, rows of a tile, ld) for each tile, become (views, all
 * rows, width): what stands behind a row's inputs is left out. NULL without memory.
 *
 * Source row k of a tile is view k / rows, row k % rows. Its place in the whole is that view's part
 * of `all` rows, at `first`, the number of rows of the tiles before, plus its own number. Tiles
 * ascend, so rows come out in the order of environments. */
static float *join_inputs(const struct update_dump *d, bool critic, size_t views, size_t width,
                          size_t ld, struct arena *scratch)
{
    const size_t all = count_rows(d);
    float *joined = ARENA_NEW(scratch, views * all * width, float);
    size_t first = 0;
    for (int i = 0; joined != NULL && i < d->n_blocks; i++) {
        const size_t rows = (size_t)d->blocks[i].n_env * (size_t)d->blocks[i].n_steps;
        const float *from = critic ? d->inputs[i].critic : d->inputs[i].obs;
        for (size_t k = 0; k < views * rows; k++) {
            const size_t to = k / rows * all + first + k % rows;
            memcpy(joined + to * width, from + k * ld, width * sizeof(float));
        }
        first += rows;
    }
    return joined;
}

/* A local critic sees what its agent observes, so it has no inputs of its own and shares the
 * actors'. */
static enum err put_inputs(Karma__UpdateDump *m, const struct update_dump *d, struct arena *scratch)
{
    const struct team *t = d->team;
    const bool joint = d->inputs[0].critic != NULL;
    const size_t agents = (size_t)t->spec->n_agents, views = (size_t)t->n_views;
    const size_t n_actor = (size_t)t->actor.shape.sizes[0];
    const size_t n_critic = (size_t)t->critic.shape.sizes[0];
    const size_t critic_ld = (size_t)(joint ? t->critic_ld : t->obs_ld);
    m->actor_in = join_inputs(d, false, agents, n_actor, (size_t)t->obs_ld, scratch);
    m->critic_in = join_inputs(d, joint, views, n_critic, critic_ld, scratch);
    TRY(arena_error(scratch));
    m->n_actor_in = agents * count_rows(d) * n_actor;
    m->n_critic_in = views * count_rows(d) * n_critic;
    m->minibatch_of = (uint32_t *)(uintptr_t)d->minibatch_of;
    m->n_minibatch_of = (size_t)d->cfg->epochs * count_envs(d);
    return ERR_OK;
}

static enum err put_update(struct buf *out, const struct update_dump *d, struct arena *scratch)
{
    Karma__UpdateDump m;
    Karma__Weights before, after;
    struct layout actor, critic;
    karma__update_dump__init(&m);
    weights_message(&before, d->before, d->team->number);
    weights_message(&after, &d->team->w, d->team->number);
    m.before = &before;
    m.after = &after;
    put_shapes(&m, d);
    put_hyper_parameters(&m, d);
    put_optimiser(&m, d);
    put_losses(&m, d->stats);
    TRY(put_networks(&m, d, &actor, &critic, scratch));
    TRY(put_blocks(&m, d, scratch));
    TRY(put_inputs(&m, d, scratch));
    TRY(put_returns(&m, d, scratch));
    return wire_put(out, FRAME_UPDATE_DUMP, CODEC_UPDATE_VERSION, &m.base);
}

enum err codec_put_update(struct buf *out, const struct update_dump *d, struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    const enum err e = put_update(out, d, scratch);
    arena_rewind(scratch, mark);
    return e;
}
