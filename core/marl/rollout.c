/* T steps of a tile into an environment-major block.
 *
 * What the environments give and take is step-major (one row per slot), so each step is acted in
 * small buffers here and copied into the block's rows. Values of all rows are computed at the end:
 * the weights do not change meanwhile, and hundreds of rows at once use the CPU better than eight.
 */
#include "core/marl/rollout.h"

#include "core/base/log.h"

#include <math.h>
#include <string.h>

struct rollout {
    const struct env_spec *spec;
    struct team_scratch *act, *value;
    /* one row per slot, as the environments see it */
    float *row;       /* (TILE, R) */
    uint32_t *mask;   /* (TILE, A, F, words) */
    int32_t *action;  /* (TILE, A, F) what is recorded */
    int32_t *execute; /* (TILE, A, F) what is done */
    float *logp;      /* (TILE, A) */
    float *reward;    /* (TILE, A) */
    uint8_t flag[TILE];
    uint32_t gid[TILE];
    /* of one environment */
    float *row_end;       /* (R) the state a truncated episode was left in */
    uint32_t *mask_end;   /* (A, F, words) its masks: not needed, but env->row() gives them */
    double *stats;        /* (n_stats) */
    size_t n_mask, n_act; /* of one environment: A*F*words, A*F */
};

/* What stays the same during one rollout_run(). */
struct run {
    struct block *block;
    struct rollout_tile *tile;
    const struct team *team;
    const struct rollout_cfg *cfg;
    uint32_t update;
};

static enum err carve(struct rollout *r, struct arena *arena, const struct env_spec *spec)
{
    size_t agents = (size_t)spec->n_agents;
    r->row = ARENA_NEW(arena, TILE * (size_t)spec->n_row, float);
    r->mask = ARENA_NEW(arena, TILE * r->n_mask, uint32_t);
    r->action = ARENA_NEW(arena, TILE * r->n_act, int32_t);
    r->execute = ARENA_NEW(arena, TILE * r->n_act, int32_t);
    r->logp = ARENA_NEW(arena, TILE * agents, float);
    r->reward = ARENA_NEW(arena, TILE * agents, float);
    r->row_end = ARENA_NEW(arena, spec->n_row, float);
    r->mask_end = ARENA_NEW(arena, r->n_mask, uint32_t);
    r->stats = ARENA_NEW(arena, spec->n_stats, double);
    bool complete = r->row != NULL && r->mask != NULL && r->action != NULL && r->execute != NULL &&
                    r->logp != NULL && r->reward != NULL && r->row_end != NULL &&
                    r->mask_end != NULL && r->stats != NULL;
    return complete ? ERR_OK : ERR_MEMORY;
}

enum err rollout_init(struct rollout **out, struct arena *arena, const struct team *team)
{
    const struct env_spec *spec = team->spec;
    int n_value = team->cfg->row_block > TILE ? team->cfg->row_block : TILE;
    struct rollout *r = ARENA_NEW(arena, 1, struct rollout);
    if (r == NULL) {
        return ERR_MEMORY;
    }
    r->spec = spec;
    r->n_act = (size_t)(spec->n_agents * spec->n_factors);
    r->n_mask = r->n_act * (size_t)env_mask_words(spec);
    TRY(carve(r, arena, spec));
    TRY(team_scratch_init(&r->act, arena, team, TILE));
    TRY(team_scratch_init(&r->value, arena, team, n_value));
    *out = r;
    return ERR_OK;
}

enum err rollout_keep_actions(struct rollout_tile *tile, struct arena *arena,
                              const struct env_spec *spec, int max_steps)
{
    const size_t n_act = (size_t)spec->n_agents * (size_t)spec->n_factors;
    CHECK(spec->n_choices <= UINT16_MAX);
    tile->max_steps = max_steps;
    tile->actions = ARENA_NEW(arena, (size_t)TILE * (size_t)max_steps * n_act, uint16_t);
    return tile->actions != NULL ? ERR_OK : ERR_MEMORY;
}

void rollout_copy_history(struct rollout_tile *to, const struct rollout_tile *from)
{
    const struct env_spec *spec = from->env->spec;
    const size_t n_act = (size_t)spec->n_agents * (size_t)spec->n_factors;
    CHECK(to->max_steps == from->max_steps);
    to->started = from->started;
    for (int e = 0; e < from->env->n_env; e++) {
        to->episode[e] = from->episode[e];
        to->steps[e] = from->steps[e];
        memcpy(rollout_kept(to, e, 0), rollout_kept(from, e, 0),
               (size_t)from->steps[e] * n_act * sizeof(uint16_t));
    }
}

/* ---- starting and restarting ---- */

static enum err start(const struct run *run, int stagger, int n_env_total)
{
    struct rollout_tile *tile = run->tile;
    for (int e = 0; e < run->block->n_env; e++) {
        uint32_t gid = (uint32_t)(tile->tile * TILE + e);
        tile->episode[e] = 0;
        tile->steps[e] = 0;
        TRY(tile->env->ops->reset(tile->env, e, gid, 0,
                                  rollout_first_steps(gid, stagger, n_env_total)));
    }
    tile->started = true;
    return ERR_OK;
}

/* The episode of slot e has just ended with step t. */
static enum err end_episode(struct rollout *r, const struct run *run, int e, int t)
{
    struct env *env = run->tile->env;
    struct block *b = run->block;
    int n_agents = r->spec->n_agents;
    if (r->flag[e] == ENV_TRUNCATED) {
        size_t at = (size_t)(e * b->n_steps + t) * (size_t)n_agents;
        env->ops->row(env, e, r->row_end, r->mask_end);
        team_value(run->team, r->value, b->boot + at, r->row_end, 1);
    }
    if (r->spec->n_stats > 0) {
        env->ops->stats(env, e, r->stats);
    }
    const bool scored = r->spec->n_stats == 0 || !isnan(r->stats[0]);
    for (int i = 0; scored && i < r->spec->n_stats; i++) {
        b->stats[i] += r->stats[i];
    }
    b->n_episodes += scored ? 1 : 0;
    run->tile->episode[e]++;
    run->tile->steps[e] = 0;
    return env->ops->reset(env, e, r->gid[e], run->tile->episode[e], 0);
}

/* ---- choosing ---- */

/* The n-th allowed choice of one factor, n < number of allowed ones. */
static int nth_allowed(const uint32_t *mask, int n_choices, uint32_t n)
{
    int found = -1;
    for (int k = 0; k < n_choices; k++) {
        if (mask_has(mask, k) && n-- == 0) {
            found = k;
        }
    }
    CHECK(found >= 0);
    return found;
}

static uint32_t count_allowed(const uint32_t *mask, int n_words)
{
    uint32_t n = 0;
    for (int w = 0; w < n_words; w++) {
        n += (uint32_t)__builtin_popcount(mask[w]);
    }
    return n;
}

/* execute (F) = uniform inside the masks of one agent. */
static void choose_uniform(const struct env_spec *spec, int32_t *execute, const uint32_t *mask,
                           struct rng_key key, uint32_t draw, uint32_t t, uint32_t update,
                           uint32_t gid)
{
    int n_words = env_mask_words(spec);
    for (int f = 0; f < spec->n_factors; f++) {
        const uint32_t *m = mask + f * n_words;
        struct rng_block v = rng_philox(key, draw + (uint32_t)f, t, update, gid);
        uint32_t n = rng_below(v.v[1], count_allowed(m, n_words));
        execute[f] = nth_allowed(m, spec->n_choices, n);
    }
}

/* Labels into r->action, what is done instead of them into r->execute. The coin of an agent is the
 * first word of its first factor's draw, the choice of a factor the second word of its own. */
static void demonstrate(struct rollout *r, const struct run *run, uint32_t t)
{
    const struct env_spec *spec = r->spec;
    struct env *env = run->tile->env;
    struct rng_key key = rng_key(run->cfg->seed, RNG_CLONE, RNG_TRAIN);
    for (int e = 0; e < run->block->n_env; e++) {
        int32_t *label = r->action + (size_t)e * r->n_act;
        int32_t *execute = r->execute + (size_t)e * r->n_act;
        env->ops->demonstrate(env, e, label);
        memcpy(execute, label, r->n_act * sizeof(int32_t));
        for (int agent = 0; agent < spec->n_agents; agent++) {
            int first = agent * spec->n_factors;
            struct rng_block coin = rng_philox(key, (uint32_t)first, t, run->update, r->gid[e]);
            if ((double)rng_f32(coin.v[0]) < run->cfg->random_share) {
                choose_uniform(spec, execute + first,
                               r->mask + (size_t)e * r->n_mask + first * env_mask_words(spec), key,
                               (uint32_t)first, t, run->update, r->gid[e]);
            }
        }
    }
}

static void choose(struct rollout *r, const struct run *run, uint32_t t)
{
    size_t n = (size_t)run->block->n_env;
    if (run->cfg->mode == ROLLOUT_DEMONSTRATE) {
        demonstrate(r, run, t);
        memset(r->logp, 0, n * (size_t)r->spec->n_agents * sizeof(float));
        return;
    }
    struct rng_key key = rng_key(run->cfg->seed, RNG_ACTION, RNG_TRAIN);
    team_act(run->team, r->act, r->action, r->logp, r->row, r->mask, (int)n, ACT_SAMPLE, key,
             r->gid, run->update, t);
    memcpy(r->execute, r->action, n * r->n_act * sizeof(int32_t));
}

/* ---- steps ---- */

static void read_rows(struct rollout *r, const struct run *run)
{
    struct env *env = run->tile->env;
    for (int e = 0; e < run->block->n_env; e++) {
        env->ops->row(env, e, r->row + (size_t)e * (size_t)r->spec->n_row,
                      r->mask + (size_t)e * r->n_mask);
    }
}

static void record(const struct rollout *r, struct block *b, int t)
{
    size_t n_row = (size_t)r->spec->n_row, agents = (size_t)r->spec->n_agents;
    for (size_t e = 0; e < (size_t)b->n_env; e++) {
        size_t at = e * (size_t)b->n_steps + (size_t)t;
        memcpy(b->row + at * n_row, r->row + e * n_row, n_row * sizeof(float));
        memcpy(b->mask + at * r->n_mask, r->mask + e * r->n_mask, r->n_mask * sizeof(uint32_t));
        memcpy(b->action + at * r->n_act, r->action + e * r->n_act, r->n_act * sizeof(int32_t));
        memcpy(b->logp + at * agents, r->logp + e * agents, agents * sizeof(float));
        memcpy(b->reward + at * agents, r->reward + e * agents, agents * sizeof(float));
        memset(b->boot + at * agents, 0, agents * sizeof(float));
        b->flag[at] = r->flag[e];
    }
}

/* The actions just executed join those of the running episodes. */
static void keep_actions(const struct rollout *r, struct rollout_tile *tile)
{
    for (int e = 0; e < tile->env->n_env; e++) {
        if (tile->actions != NULL) {
            CHECK(tile->steps[e] < tile->max_steps);
            uint16_t *kept = rollout_kept(tile, e, tile->steps[e]);
            const int32_t *executed = r->execute + (size_t)e * r->n_act;
            for (size_t i = 0; i < r->n_act; i++) {
                kept[i] = (uint16_t)executed[i];
            }
        }
        tile->steps[e]++;
    }
}

static enum err step(struct rollout *r, const struct run *run, int t)
{
    struct env *env = run->tile->env;
    read_rows(r, run);
    choose(r, run, (uint32_t)t);
    TRY(env->ops->step(env, r->execute, r->reward, r->flag));
    keep_actions(r, run->tile);
    record(r, run->block, t);
    for (int e = 0; e < run->block->n_env; e++) {
        if (r->flag[e] != ENV_RUNNING) {
            TRY(end_episode(r, run, e, t));
        }
    }
    if (run->cfg->poll != NULL) {
        run->cfg->poll(run->cfg->poll_ctx);
    }
    return ERR_OK;
}

static enum err begin(struct rollout *r, const struct run *run, int stagger, int n_env_total)
{
    struct block *b = run->block;
    struct rollout_tile *tile = run->tile;
    CHECK(tile->env->n_env == b->n_env && b->n_env <= TILE);
    if (run->cfg->mode == ROLLOUT_DEMONSTRATE && tile->env->ops->demonstrate == NULL) {
        log_error("%s has no demonstrator to clone; set init to scratch", r->spec->name);
        return ERR_MISMATCH;
    }
    if (!tile->started) {
        TRY(start(run, stagger, n_env_total));
    }
    b->tile = tile->tile;
    b->update = run->update;
    b->n_episodes = 0;
    memset(b->stats, 0, (size_t)r->spec->n_stats * sizeof(double));
    memcpy(b->episode, tile->episode, (size_t)b->n_env * sizeof(uint32_t));
    for (int e = 0; e < b->n_env; e++) {
        r->gid[e] = (uint32_t)(tile->tile * TILE + e);
    }
    return ERR_OK;
}

enum err rollout_run(struct rollout *r, struct block *block, struct rollout_tile *tile,
                     const struct team *team, const struct rollout_cfg *cfg, uint32_t update,
                     int stagger, int n_env_total)
{
    struct run run = {block, tile, team, cfg, update};
    TRY(begin(r, &run, stagger, n_env_total));
    for (int t = 0; t < block->n_steps; t++) {
        TRY(step(r, &run, t));
    }
    read_rows(r, &run);
    team_value(team, r->value, block->value, block->row, block->n_env * block->n_steps);
    team_value(team, r->value, block->last_value, r->row, block->n_env);
    return ERR_OK;
}
