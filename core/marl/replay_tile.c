/* Doing again what was done: see replay_tile.h. */
#include "core/marl/replay_tile.h"

#include "core/base/crc32c.h"
#include "core/base/log.h"

/* Buffers of one team. */
struct side {
    const struct team_spec *spec;
    size_t n_act, n_mask; /* A*F, A*F*words */
    int32_t *action;      /* (TILE, A, F) */
    float *reward;        /* (TILE, A) */
    float *global_state;  /* (G) */
    uint32_t *mask;
};

/* Buffers for one tile, from the scratch arena. */
struct replay {
    struct rollout_tile *tile;
    int stagger, n_env_total, n_teams;
    struct side sides[ENV_TEAMS_MAX];
    uint8_t flag[TILE];
};

static uint32_t gid_of(const struct rollout_tile *tile, int e)
{
    return (uint32_t)(tile->tile * TILE + e);
}

static enum err init_view(struct replay *r, const struct env_spec *spec, struct arena *scratch)
{
    r->n_teams = spec->n_teams;
    for (int k = 0; k < spec->n_teams; k++) {
        struct side *s = &r->sides[k];
        s->spec = spec->teams[k];
        s->n_act = (size_t)env_n_actions(s->spec);
        s->n_mask = s->n_act * (size_t)env_mask_words(s->spec);
        s->global_state = ARENA_NEW(scratch, s->spec->n_global_state, float);
        s->mask = ARENA_NEW(scratch, s->n_mask, uint32_t);
        TRY(arena_error(scratch));
    }
    return ERR_OK;
}

static enum err init_steps(struct replay *r, struct arena *scratch)
{
    for (int k = 0; k < r->n_teams; k++) {
        struct side *s = &r->sides[k];
        s->action = ARENA_NEW(scratch, TILE * s->n_act, int32_t);
        s->reward = ARENA_NEW(scratch, TILE * (size_t)s->spec->n_agents, float);
        TRY(arena_error(scratch));
    }
    return ERR_OK;
}

/* Of the rows and masks of all teams. */
static uint32_t checksum(struct replay *r, struct env *env, int e)
{
    uint32_t crc = 0;
    for (int k = 0; k < r->n_teams; k++) {
        struct side *s = &r->sides[k];
        env->ops->global_state(env, e, k, s->global_state, s->mask);
        crc =
            crc32c(crc, s->global_state, (size_t)s->spec->n_global_state * sizeof *s->global_state);
        crc = crc32c(crc, s->mask, s->n_mask * sizeof *s->mask);
    }
    return crc;
}

enum err replay_tile_checksums(uint32_t *sums, const struct rollout_tile *tile,
                               struct arena *scratch)
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
    const int group = env_group(tile->env->spec);
    const bool first = episode % ROLLOUT_STAGE_EPISODES == 0;
    const int cut = first ? rollout_first_steps(gid, r->stagger, r->n_env_total, group) : 0;
    return tile->env->ops->reset(tile->env, e, gid, episode, cut);
}

/* The first allowed choice of every factor. */
static void idle(struct replay *r, int e, int k)
{
    struct env *env = r->tile->env;
    struct side *s = &r->sides[k];
    const int n_words = env_mask_words(s->spec);
    int32_t *action = s->action + (size_t)e * s->n_act;
    env->ops->global_state(env, e, k, s->global_state, s->mask);
    for (size_t i = 0; i < s->n_act; i++) {
        int choice = 0;
        while (choice < s->spec->n_choices - 1 &&
               !mask_has(s->mask + i * (size_t)n_words, choice)) {
            choice++;
        }
        action[i] = choice;
    }
}

/* t: steps of slot e's episode so far; negative: it has not started. */
static void choose(struct replay *r, int e, int t)
{
    const uint16_t *stored = t < 0 ? NULL : rollout_stored(r->tile, e, t);
    for (int k = 0; k < r->n_teams; k++) {
        struct side *s = &r->sides[k];
        int32_t *action = s->action + (size_t)e * s->n_act;
        if (stored == NULL) {
            idle(r, e, k);
            continue;
        }
        for (size_t i = 0; i < s->n_act; i++) {
            action[i] = *stored++;
        }
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
    const int32_t *action[ENV_TEAMS_MAX];
    float *reward[ENV_TEAMS_MAX];
    for (int k = 0; k < r->n_teams; k++) {
        action[k] = r->sides[k].action;
        reward[k] = r->sides[k].reward;
    }
    for (int e = 0; e < env->n_env; e++) {
        choose(r, e, tile->steps[e] - left);
    }
    TRY(env->ops->step(env, action, reward, r->flag));
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
    struct replay r = {.tile = tile, .stagger = stagger, .n_env_total = n_env_total};
    enum err e = init_view(&r, tile->env->spec, scratch);
    e = e == ERR_OK ? init_steps(&r, scratch) : e;
    if (e == ERR_OK) {
        e = run(&r, sums);
    }
    arena_rewind(scratch, mark);
    return e;
}
