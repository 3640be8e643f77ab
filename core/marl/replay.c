/* Doing again what was done: see replay.h. */
#include "core/marl/replay.h"

#include "core/base/crc32c.h"
#include "core/base/log.h"

/* Buffers for one tile, from the scratch arena. */
struct replay {
    struct rollout_tile *tile;
    int stagger, n_env_total;
    size_t n_act; /* A*F */
    int32_t *action;
    float *reward;
    float *row;
    uint32_t *mask;
    uint8_t flag[TILE];
};

static uint32_t gid_of(const struct rollout_tile *tile, int e)
{
    return (uint32_t)(tile->tile * TILE + e);
}

static enum err init_view(struct replay *r, const struct env_spec *spec, struct arena *scratch)
{
    r->n_act = (size_t)spec->n_agents * (size_t)spec->n_factors;
    r->row = ARENA_NEW(scratch, spec->n_row, float);
    r->mask = ARENA_NEW(scratch, r->n_act * (size_t)env_mask_words(spec), uint32_t);
    return r->row != NULL && r->mask != NULL ? ERR_OK : ERR_MEMORY;
}

static uint32_t checksum(struct replay *r, struct env *env, int e)
{
    const struct env_spec *spec = env->spec;
    env->ops->row(env, e, r->row, r->mask);
    const uint32_t crc = crc32c(0, r->row, (size_t)spec->n_row * sizeof *r->row);
    return crc32c(crc, r->mask, r->n_act * (size_t)env_mask_words(spec) * sizeof *r->mask);
}

enum err replay_checksums(uint32_t *sums, const struct rollout_tile *tile, struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    struct replay r = {0};
    const enum err e = init_view(&r, tile->env->spec, scratch);
    for (int i = 0; e == ERR_OK && i < tile->env->n_env; i++) {
        sums[i] = checksum(&r, tile->env, i);
    }
    arena_rewind(scratch, mark);
    return e;
}

/* ---- stepping ---- */

static enum err start(struct replay *r, int e)
{
    struct rollout_tile *tile = r->tile;
    const uint32_t gid = gid_of(tile, e), episode = tile->episode[e];
    const int cut = episode == 0 ? rollout_first_steps(gid, r->stagger, r->n_env_total) : 0;
    return tile->env->ops->reset(tile->env, e, gid, episode, cut);
}

/* The first allowed choice of every factor. */
static void idle(struct replay *r, int e, int32_t *action)
{
    const struct env_spec *spec = r->tile->env->spec;
    const int n_words = env_mask_words(spec);
    r->tile->env->ops->row(r->tile->env, e, r->row, r->mask);
    for (size_t i = 0; i < r->n_act; i++) {
        int k = 0;
        while (k < spec->n_choices - 1 && !mask_has(r->mask + i * (size_t)n_words, k)) {
            k++;
        }
        action[i] = k;
    }
}

/* t: steps of slot e's episode so far; negative: it has not started. */
static void choose(struct replay *r, int e, int t)
{
    int32_t *action = r->action + (size_t)e * r->n_act;
    if (t < 0) {
        idle(r, e, action);
        return;
    }
    const uint16_t *kept = rollout_kept(r->tile, e, t);
    for (size_t i = 0; i < r->n_act; i++) {
        action[i] = kept[i];
    }
}

static enum err wrong_world(const struct rollout_tile *tile, int e, const char *what)
{
    log_error("environment %u: %s when the %d steps of its episode %u are done again; the program, "
              "its libraries or a file it reads are not those of the checkpoint",
              gid_of(tile, e), what, tile->steps[e], tile->episode[e]);
    return ERR_MISMATCH;
}

/* One step of all slots; the longest history has `left` steps left before it. */
static enum err step(struct replay *r, int left)
{
    struct rollout_tile *tile = r->tile;
    struct env *env = tile->env;
    for (int e = 0; e < env->n_env; e++) {
        choose(r, e, tile->steps[e] - left);
    }
    TRY(env->ops->step(env, r->action, r->reward, r->flag));
    for (int e = 0; e < env->n_env; e++) {
        const bool waits = tile->steps[e] < left;
        if (!waits && r->flag[e] != ENV_RUNNING) {
            return wrong_world(tile, e, "the episode ends");
        }
        /* Its own start is the next step, or what it did meanwhile came to an end. */
        if (waits && (tile->steps[e] == left - 1 || r->flag[e] != ENV_RUNNING)) {
            TRY(start(r, e));
        }
    }
    return ERR_OK;
}

static enum err run(struct replay *r, const uint32_t *sums)
{
    struct rollout_tile *tile = r->tile;
    int longest = 0;
    for (int e = 0; e < tile->env->n_env; e++) {
        longest = tile->steps[e] > longest ? tile->steps[e] : longest;
        TRY(start(r, e));
    }
    for (int left = longest; left > 0; left--) {
        TRY(step(r, left));
    }
    for (int e = 0; e < tile->env->n_env; e++) {
        if (checksum(r, tile->env, e) != sums[e]) {
            return wrong_world(tile, e, "another state comes out");
        }
    }
    tile->started = true;
    return ERR_OK;
}

enum err replay_tile(struct rollout_tile *tile, const uint32_t *sums, int stagger, int n_env_total,
                     struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    const size_t agents = (size_t)tile->env->spec->n_agents;
    struct replay r = {.tile = tile, .stagger = stagger, .n_env_total = n_env_total};
    enum err e = init_view(&r, tile->env->spec, scratch);
    r.action = ARENA_NEW(scratch, TILE * r.n_act, int32_t);
    r.reward = ARENA_NEW(scratch, TILE * agents, float);
    if (r.action == NULL || r.reward == NULL) {
        e = ERR_MEMORY;
    }
    if (e == ERR_OK) {
        e = run(&r, sums);
    }
    arena_rewind(scratch, mark);
    return e;
}
