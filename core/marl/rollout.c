/* T steps of a tile into environment-major blocks, one for each team.
 *
 * What the environments give and take is step-major (one row per slot), so each step is acted in
 * small buffers here and copied into the blocks' rows. Values of all rows are computed at the end:
 * the weights do not change meanwhile, and hundreds of rows at once use the CPU better than eight.
 */
#include "core/marl/rollout.h"

#include "core/base/clock.h"
#include "core/base/log.h"

#include <math.h>
#include <string.h>

/* One team's part of a step: a row per slot, as the environments see it. */
struct side {
    struct learner *learner;
    const struct team_spec *spec;
    float *global_state; /* (TILE, G) */
    float *privileged;   /* (TILE, P); NULL if P = 0 */
    uint32_t *mask;      /* (TILE, A, F, words) */
    int32_t *action;     /* (TILE, A, F) what is recorded */
    int32_t *execute;    /* (TILE, A, F) what is done */
    float *logp;         /* (TILE, A) */
    float *reward;       /* (TILE, A) */
    /* of one environment */
    float *global_state_end; /* (G) the state a truncated episode was left in */
    float *privileged_end;   /* (P) its privileged part; NULL if P = 0 */
    uint32_t
        *mask_end; /* (A, F, words) its masks: not needed, but env->global_state() gives them */
    size_t n_mask, n_act; /* of one environment: A*F*words, A*F */
    size_t n_state;       /* of one environment: A*S */
};

struct rollout {
    const struct env_spec *spec;
    struct side sides[ENV_TEAMS_MAX]; /* (n_teams) */
    const int32_t *executed[ENV_TEAMS_MAX];
    float *rewards[ENV_TEAMS_MAX]; /* the sides' arrays, as env->step() takes them */
    uint8_t flag[TILE];
    uint32_t gid[TILE];
    double *stats; /* (n_stats) of one environment */
};

/* What stays the same during one rollout_run(). */
struct run {
    struct block *const *blocks;
    struct rollout_tile *tile;
    const struct rollout_cfg *cfg;
    uint32_t update;
};

static enum err side_init(struct side *s, struct arena *arena, struct learner *learner)
{
    const struct team_spec *spec = learner->spec;
    const size_t agents = (size_t)spec->n_agents, n_act = (size_t)env_n_actions(spec);
    const size_t n_mask = n_act * (size_t)env_mask_words(spec);
    const size_t n_privileged = (size_t)spec->n_privileged;
    *s = (struct side){
        .learner = learner,
        .spec = spec,
        .global_state = ARENA_NEW(arena, TILE * (size_t)spec->n_global_state, float),
        .mask = ARENA_NEW(arena, TILE * n_mask, uint32_t),
        .action = ARENA_NEW(arena, TILE * n_act, int32_t),
        .execute = ARENA_NEW(arena, TILE * n_act, int32_t),
        .logp = ARENA_NEW(arena, TILE * agents, float),
        .reward = ARENA_NEW(arena, TILE * agents, float),
        .global_state_end = ARENA_NEW(arena, spec->n_global_state, float),
        .mask_end = ARENA_NEW(arena, n_mask, uint32_t),
        .n_mask = n_mask,
        .n_act = n_act,
        .n_state = agents * (size_t)spec->n_state,
    };
    if (n_privileged > 0) {
        s->privileged = ARENA_NEW(arena, TILE * n_privileged, float);
        s->privileged_end = ARENA_NEW(arena, n_privileged, float);
    }
    return arena_error(arena);
}

enum err rollout_init(struct rollout **out, struct arena *arena, const struct env_spec *spec,
                      struct learner *const *learners)
{
    struct rollout *r = ARENA_NEW(arena, 1, struct rollout);
    TRY(arena_error(arena));
    CHECK(spec->n_teams >= 1 && spec->n_teams <= ENV_TEAMS_MAX);
    *r = (struct rollout){.spec = spec, .stats = ARENA_NEW(arena, spec->n_stats, double)};
    TRY(arena_error(arena));
    for (int k = 0; k < spec->n_teams; k++) {
        TRY(side_init(&r->sides[k], arena, learners[k]));
        r->executed[k] = r->sides[k].execute;
        r->rewards[k] = r->sides[k].reward;
    }
    *out = r;
    return ERR_OK;
}

/* ---- history ---- */

static size_t state_floats(const struct team_spec *spec)
{
    return (size_t)spec->n_agents * (size_t)spec->n_state;
}

enum err rollout_keep_actions(struct rollout_tile *tile, struct arena *arena,
                              const struct env_spec *spec, int max_steps)
{
    const size_t n_act = (size_t)env_joint_actions(spec);
    tile->max_steps = max_steps;
    tile->actions = ARENA_NEW(arena, (size_t)TILE * (size_t)max_steps * n_act, uint16_t);
    for (int k = 0; k < spec->n_teams; k++) {
        const size_t n = TILE * state_floats(spec->teams[k]);
        CHECK(spec->teams[k]->n_choices <= UINT16_MAX);
        tile->state[k] = n > 0 ? ARENA_NEW(arena, n, float) : NULL;
    }
    return arena_error(arena);
}

void rollout_copy_history(struct rollout_tile *to, const struct rollout_tile *from)
{
    const struct env_spec *spec = from->env->spec;
    const size_t n_act = (size_t)env_joint_actions(spec);
    CHECK(to->max_steps == from->max_steps);
    to->started = from->started;
    for (int e = 0; e < from->env->n_env; e++) {
        to->episode[e] = from->episode[e];
        to->steps[e] = from->steps[e];
        memcpy(rollout_stored(to, e, 0), rollout_stored(from, e, 0),
               (size_t)from->steps[e] * n_act * sizeof(uint16_t));
    }
    for (int k = 0; k < spec->n_teams; k++) {
        if (from->state[k] != NULL) {
            memcpy(to->state[k], from->state[k],
                   TILE * state_floats(spec->teams[k]) * sizeof(float));
        }
    }
}

/* ---- starting and restarting ---- */

/* Agents of slot e's next episode carry nothing. */
static void forget_states(struct rollout *r, struct rollout_tile *tile, int e)
{
    for (int k = 0; k < r->spec->n_teams; k++) {
        if (tile->state[k] != NULL) {
            const size_t n = r->sides[k].n_state;
            memset(tile->state[k] + (size_t)e * n, 0, n * sizeof(float));
        }
    }
}

static enum err start(struct rollout *r, const struct run *run, int stagger, int n_env_total)
{
    struct rollout_tile *tile = run->tile;
    for (int e = 0; e < tile->env->n_env; e++) {
        tile->episode[e] = tile->first_episode;
        tile->steps[e] = 0;
        forget_states(r, tile, e);
        TRY(tile->env->ops->reset(
            tile->env, e, r->gid[e], tile->first_episode,
            rollout_first_steps(r->gid[e], stagger, n_env_total, env_group(r->spec))));
    }
    tile->started = true;
    return ERR_OK;
}

/* value (n, n_steps, A) of rows, n_steps of each of n environments. */
static void put_values(struct side *s, float *value, const struct learner_rows *rows)
{
    const size_t n = (size_t)rows->n * (size_t)rows->n_steps * (size_t)s->spec->n_agents;
    if (s->learner->ops->value != NULL) {
        s->learner->ops->value(s->learner, value, rows);
    } else {
        memset(value, 0, n * sizeof *value);
    }
}

/* What agents of team k carry in slot e. */
static float *state_of(const struct rollout *r, const struct rollout_tile *tile, int k, int e)
{
    return tile->state[k] == NULL ? NULL : tile->state[k] + (size_t)e * r->sides[k].n_state;
}

/* Values of the state that a truncated episode was left in with step t. */
static void bootstrap(struct rollout *r, const struct run *run, int e, int t)
{
    struct env *env = run->tile->env;
    for (int k = 0; k < r->spec->n_teams; k++) {
        struct side *s = &r->sides[k];
        struct block *b = run->blocks[k];
        if (b == NULL || s->learner->ops->value == NULL) {
            continue;
        }
        const size_t at = (size_t)(e * b->n_steps + t) * (size_t)s->spec->n_agents;
        const struct learner_rows last = {.n = 1,
                                          .n_steps = 1,
                                          .global_state = s->global_state_end,
                                          .privileged = s->privileged_end,
                                          .state = state_of(r, run->tile, k, e)};
        env->ops->global_state(env, e, k, s->global_state_end, s->mask_end);
        if (s->privileged_end != NULL) {
            env->ops->privileged(env, e, k, s->privileged_end);
        }
        put_values(s, b->bootstrap_value + at, &last);
    }
}

/* Does the episode count? One of which nothing is known does not. */
static bool is_scored(const double *stats, int n)
{
    bool scored = n == 0;
    for (int i = 0; !scored && i < n; i++) {
        scored = !isnan(stats[i]);
    }
    return scored;
}

/* The episode of slot e has just ended with step t. */
static enum err end_episode(struct rollout *r, const struct run *run, int e, int t)
{
    struct env *env = run->tile->env;
    struct block *b = run->blocks[0];
    if (r->flag[e] == ENV_TRUNCATED) {
        bootstrap(r, run, e, t);
    }
    if (r->spec->n_stats > 0) {
        env->ops->stats(env, e, r->stats);
    }
    const bool scored = is_scored(r->stats, r->spec->n_stats);
    for (int i = 0; scored && i < r->spec->n_stats; i++) {
        if (!isnan(r->stats[i])) {
            b->stats[i] += r->stats[i];
            b->stats[r->spec->n_stats + i] += 1.0;
        }
    }
    for (int k = 0; scored && k < r->spec->n_teams; k++) {
        if (run->blocks[k] != NULL) {
            run->blocks[k]->n_episodes++;
        }
    }
    run->tile->episode[e]++;
    run->tile->steps[e] = 0;
    forget_states(r, run->tile, e);
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

/* execute (F) = uniform inside the masks of one agent: of n allowed choices the one with a number
 * drawn below n, so each has probability 1 / n. */
static void choose_uniform(const struct team_spec *spec, int32_t *execute, const uint32_t *mask,
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

/* Team 0: labels into `action`, what is done instead of them into `execute`. The coin of an agent
 * is the first word of its first factor's draw, the choice of a factor the second word of its own.
 */
static void demonstrate(struct rollout *r, const struct run *run, uint32_t t)
{
    struct side *s = &r->sides[0];
    const struct team_spec *spec = s->spec;
    struct env *env = run->tile->env;
    struct rng_key key = rng_key(run->cfg->seed, RNG_CLONE, RNG_TRAIN);
    for (int e = 0; e < env->n_env; e++) {
        int32_t *label = s->action + (size_t)e * s->n_act;
        int32_t *execute = s->execute + (size_t)e * s->n_act;
        env->ops->demonstrate(env, e, 0, label);
        memcpy(execute, label, s->n_act * sizeof(int32_t));
        for (int agent = 0; agent < spec->n_agents; agent++) {
            int first = agent * spec->n_factors;
            struct rng_block coin = rng_philox(key, (uint32_t)first, t, run->update, r->gid[e]);
            if ((double)rng_f32(coin.v[0]) < run->cfg->random_share) {
                choose_uniform(spec, execute + first,
                               s->mask + (size_t)e * s->n_mask + first * env_mask_words(spec), key,
                               (uint32_t)first, t, run->update, r->gid[e]);
            }
        }
    }
}

static void choose(struct rollout *r, const struct run *run, int k, uint32_t t)
{
    struct side *s = &r->sides[k];
    const size_t n = (size_t)run->tile->env->n_env;
    if (k == 0 && run->cfg->mode == ROLLOUT_DEMONSTRATE) {
        demonstrate(r, run, t);
        memset(s->logp, 0, n * (size_t)s->spec->n_agents * sizeof(float));
        return;
    }
    const struct learner_view view = {
        .n = (int)n,
        .global_state = s->global_state,
        .mask = s->mask,
        .key = rng_key(run->cfg->seed, RNG_ACTION, RNG_TRAIN),
        .gid = r->gid,
        .update = run->update,
        .step = t,
    };
    s->learner->ops->act(s->learner, s->action, s->logp, run->tile->state[k], &view);
    memcpy(s->execute, s->action, n * s->n_act * sizeof(int32_t));
}

/* ---- steps ---- */

static void read_rows(struct rollout *r, const struct run *run, int k)
{
    struct env *env = run->tile->env;
    struct side *s = &r->sides[k];
    for (int e = 0; e < env->n_env; e++) {
        env->ops->global_state(env, e, k,
                               s->global_state + (size_t)e * (size_t)s->spec->n_global_state,
                               s->mask + (size_t)e * s->n_mask);
        if (s->privileged != NULL) {
            env->ops->privileged(env, e, k,
                                 s->privileged + (size_t)e * (size_t)s->spec->n_privileged);
        }
    }
}

static void record(const struct side *s, const uint8_t *flag, struct block *b, int t)
{
    size_t n_global_state = (size_t)s->spec->n_global_state, agents = (size_t)s->spec->n_agents;
    for (size_t e = 0; e < (size_t)b->n_env; e++) {
        size_t at = e * (size_t)b->n_steps + (size_t)t;
        memcpy(b->global_state + at * n_global_state, s->global_state + e * n_global_state,
               n_global_state * sizeof(float));
        if (b->privileged != NULL) {
            const size_t n = (size_t)s->spec->n_privileged;
            memcpy(b->privileged + at * n, s->privileged + e * n, n * sizeof(float));
        }
        memcpy(b->mask + at * s->n_mask, s->mask + e * s->n_mask, s->n_mask * sizeof(uint32_t));
        memcpy(b->action + at * s->n_act, s->action + e * s->n_act, s->n_act * sizeof(int32_t));
        memcpy(b->logp + at * agents, s->logp + e * agents, agents * sizeof(float));
        memcpy(b->reward + at * agents, s->reward + e * agents, agents * sizeof(float));
        memset(b->bootstrap_value + at * agents, 0, agents * sizeof(float));
        b->flag[at] = flag[e];
    }
}

/* The actions just executed join those of the running episodes. */
static void keep_actions(const struct rollout *r, struct rollout_tile *tile)
{
    for (int e = 0; e < tile->env->n_env; e++) {
        if (tile->actions != NULL) {
            CHECK(tile->steps[e] < tile->max_steps);
            uint16_t *stored = rollout_stored(tile, e, tile->steps[e]);
            for (int k = 0; k < r->spec->n_teams; k++) {
                const struct side *s = &r->sides[k];
                const int32_t *executed = s->execute + (size_t)e * s->n_act;
                for (size_t i = 0; i < s->n_act; i++) {
                    *stored++ = (uint16_t)executed[i];
                }
            }
        }
        tile->steps[e]++;
    }
}

/* 0 if nobody wants to know. */
static double infer_begins(const struct run *run)
{
    return run->cfg->infer_s != NULL ? clock_s() : 0.0;
}

static void infer_ends(const struct run *run, double began_s)
{
    if (run->cfg->infer_s != NULL) {
        *run->cfg->infer_s += clock_s() - began_s;
    }
}

static enum err step(struct rollout *r, const struct run *run, int t)
{
    struct env *env = run->tile->env;
    for (int k = 0; k < r->spec->n_teams; k++) {
        read_rows(r, run, k);
        const double began_s = infer_begins(run);
        choose(r, run, k, (uint32_t)t);
        infer_ends(run, began_s);
    }
    TRY(env->ops->step(env, r->executed, r->rewards, r->flag));
    keep_actions(r, run->tile);
    for (int k = 0; k < r->spec->n_teams; k++) {
        if (run->blocks[k] != NULL) {
            record(&r->sides[k], r->flag, run->blocks[k], t);
        }
    }
    for (int e = 0; e < env->n_env; e++) {
        if (r->flag[e] != ENV_RUNNING) {
            TRY(end_episode(r, run, e, t));
        }
    }
    if (run->cfg->poll != NULL) {
        run->cfg->poll(run->cfg->poll_ctx);
    }
    return ERR_OK;
}

/* ---- a whole rollout ---- */

static void begin_block(struct rollout *r, const struct run *run, int k)
{
    struct block *b = run->blocks[k];
    const struct rollout_tile *tile = run->tile;
    CHECK(tile->env->n_env == b->n_env && b->n_env <= TILE && b->team == k);
    CHECK(r->sides[k].n_state == 0 || tile->state[k] != NULL);
    b->tile = tile->tile;
    b->update = run->update;
    b->n_episodes = 0;
    memset(b->stats, 0, (size_t)block_n_stats(r->spec, k) * sizeof(double));
    memcpy(b->episode, tile->episode, (size_t)b->n_env * sizeof(uint32_t));
    if (b->state != NULL) {
        memcpy(b->state, tile->state[k], (size_t)b->n_env * r->sides[k].n_state * sizeof(float));
    }
}

static enum err begin(struct rollout *r, const struct run *run, int stagger, int n_env_total)
{
    struct rollout_tile *tile = run->tile;
    CHECK(run->blocks[0] != NULL);
    if (run->cfg->mode == ROLLOUT_DEMONSTRATE && tile->env->ops->demonstrate == NULL) {
        log_error("%s has no demonstrator to clone; set init to scratch", r->spec->name);
        return ERR_MISMATCH;
    }
    for (int e = 0; e < tile->env->n_env; e++) {
        r->gid[e] = (uint32_t)(tile->tile * TILE + e);
    }
    if (!tile->started) {
        TRY(start(r, run, stagger, n_env_total));
    }
    for (int k = 0; k < r->spec->n_teams; k++) {
        if (run->blocks[k] != NULL) {
            begin_block(r, run, k);
        }
    }
    return ERR_OK;
}

/* Values of all rows, and of the states after the last step. */
static void finish_block(struct rollout *r, const struct run *run, int k)
{
    struct block *b = run->blocks[k];
    struct side *s = &r->sides[k];
    const struct learner_rows all = {.n = b->n_env,
                                     .n_steps = b->n_steps,
                                     .global_state = b->global_state,
                                     .privileged = b->privileged,
                                     .state = b->state,
                                     .flag = b->flag};
    const struct learner_rows last = {.n = b->n_env,
                                      .n_steps = 1,
                                      .global_state = s->global_state,
                                      .privileged = s->privileged,
                                      .state = run->tile->state[k]};
    read_rows(r, run, k);
    const double began_s = infer_begins(run);
    put_values(s, b->value, &all);
    put_values(s, b->last_value, &last);
    infer_ends(run, began_s);
}

enum err rollout_run(struct rollout *r, struct block *const *blocks, struct rollout_tile *tile,
                     const struct rollout_cfg *cfg, uint32_t update, int stagger, int n_env_total)
{
    const struct run run = {blocks, tile, cfg, update};
    const int n_steps = blocks[0]->n_steps;
    TRY(begin(r, &run, stagger, n_env_total));
    for (int t = 0; t < n_steps; t++) {
        TRY(step(r, &run, t));
    }
    for (int k = 0; k < r->spec->n_teams; k++) {
        if (blocks[k] != NULL) {
            finish_block(r, &run, k);
        }
    }
    return ERR_OK;
}
