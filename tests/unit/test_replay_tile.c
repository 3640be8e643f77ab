/* Replay: environments come back to where they stood, or it is noticed that they do not. */
#include "core/base/log.h"
#include "core/marl/replay_tile.h"
#include "tests/unit/toy_env.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
/* cmocka wants these first */
#include <cmocka.h>

#define OK(call) assert_int_equal((call), ERR_OK)

enum { N_ENV = 19, N_TILES = 3, T = 7, HORIZON = 12, STAGGER = HORIZON };

static const struct toy_shape shape = {.n_agents = 2,
                                       .n_factors = 2,
                                       .n_choices = 40,
                                       .n_global_state = 9,
                                       .n_norm = 4,
                                       .n_obs = 7,
                                       .n_critic = 9,
                                       .horizon = HORIZON};

/* Rows that remember all actions of the episode. */
static void remembering_global_state(struct env *e, int lid, int team, float *global_state,
                                     uint32_t *mask)
{
    toy_global_state(e, lid, team, global_state, mask);
    global_state[0] += (float)((struct toy *)e)->slot[lid].sum;
}

struct fixture {
    struct arena arena, scratch;
    struct env_ops ops;
    struct team_spec spec;
    struct env_spec env;
    struct team_cfg cfg;
    struct toy_run run;
};

static int hidden[] = {8};

static void setup(struct fixture *f)
{
    arena_init(&f->arena);
    arena_init(&f->scratch);
    f->spec = toy_spec(&shape);
    f->env = toy_env_spec(&f->spec);
    f->ops = toy_ops;
    f->ops.global_state = remembering_global_state;
    f->cfg = toy_team_cfg(hidden, 1, 16);
    OK(toy_run_init(&f->run, &f->arena, &f->cfg, &shape, &f->env, N_ENV, T));
    for (int i = 0; i < N_TILES; i++) {
        f->run.env[i].env.ops = &f->ops;
        OK(rollout_keep_actions(&f->run.tile[i], &f->arena, &f->env, HORIZON));
    }
}

static void teardown(struct fixture *f)
{
    arena_release(&f->scratch);
    arena_release(&f->arena);
}

static void advance(struct fixture *f, enum rollout_mode mode, uint32_t update)
{
    const struct rollout_cfg cfg = {.seed = 31, .mode = mode, .random_share = 0.5};
    struct toy_run *r = &f->run;
    for (int i = 0; i < N_TILES; i++) {
        OK(toy_run_tile(r, i, &cfg, update, STAGGER));
    }
}

/* The histories of `from`, as a checkpoint would carry them. */
static void copy_histories(struct fixture *to, const struct fixture *from)
{
    const size_t n = (size_t)TILE * HORIZON * 4;
    for (int i = 0; i < N_TILES; i++) {
        struct rollout_tile *a = &to->run.tile[i];
        const struct rollout_tile *b = &from->run.tile[i];
        memcpy(a->episode, b->episode, sizeof a->episode);
        memcpy(a->steps, b->steps, sizeof a->steps);
        memcpy(a->actions, b->actions, n * sizeof *a->actions);
    }
}

static void same_blocks(const struct fixture *f, const struct fixture *g)
{
    for (int i = 0; i < N_TILES; i++) {
        const struct block *a = &f->run.block[i], *b = &g->run.block[i];
        const size_t rows = (size_t)a->n_env * T;
        assert_memory_equal(a->global_state, b->global_state, rows * 9 * sizeof(float));
        assert_memory_equal(a->mask, b->mask, rows * 8 * sizeof(uint32_t));
        assert_memory_equal(a->action, b->action, rows * 4 * sizeof(int32_t));
        assert_memory_equal(a->logp, b->logp, rows * 2 * sizeof(float));
        assert_memory_equal(a->reward, b->reward, rows * 2 * sizeof(float));
        assert_memory_equal(a->flag, b->flag, rows);
        assert_memory_equal(a->bootstrap_value, b->bootstrap_value, rows * 2 * sizeof(float));
        assert_memory_equal(a->last_value, b->last_value, (size_t)a->n_env * 2 * sizeof(float));
        assert_memory_equal(a->episode, b->episode, (size_t)a->n_env * sizeof(uint32_t));
        assert_memory_equal(a->stats, b->stats, 4 * sizeof(double));
    }
}

static enum err replay(struct fixture *to, struct fixture *from)
{
    copy_histories(to, from);
    for (int i = 0; i < N_TILES; i++) {
        uint32_t sums[TILE];
        OK(replay_tile_checksums(sums, &from->run.tile[i], &from->scratch));
        TRY(replay_tile(&to->run.tile[i], sums, STAGGER, N_ENV, &to->scratch));
    }
    return ERR_OK;
}

/* After every number of rollouts, some of them of demonstrations, whose executed actions are not
 * those in the blocks. */
static void test_continues(void **state)
{
    (void)state;
    int most = 0, first_episodes = 0, fresh = 0;
    for (uint32_t n = 1; n <= 6; n++) {
        struct fixture f, g;
        setup(&f);
        setup(&g);
        for (uint32_t u = 0; u < n; u++) {
            advance(&f, u % 2 == 0 ? ROLLOUT_DEMONSTRATE : ROLLOUT_POLICY, u);
        }
        for (int i = 0; i < N_ENV; i++) {
            const struct rollout_tile *tile = &f.run.tile[i / TILE];
            most = tile->steps[i % TILE] > most ? tile->steps[i % TILE] : most;
            first_episodes += tile->episode[i % TILE] == 0;
            fresh += tile->steps[i % TILE] == 0;
        }
        OK(replay(&g, &f));
        advance(&f, ROLLOUT_POLICY, n);
        advance(&g, ROLLOUT_POLICY, n);
        same_blocks(&f, &g);
        teardown(&f);
        teardown(&g);
    }
    /* it was there to be tested */
    assert_true(most > T);
    assert_true(first_episodes > 0);
    assert_true(fresh > 0);
}

/* The slot with the longest history of all. */
static int longest(const struct fixture *f, int tile)
{
    int best = 0;
    for (int e = 1; e < f->run.tile[tile].env->n_env; e++) {
        best = f->run.tile[tile].steps[e] > f->run.tile[tile].steps[best] ? e : best;
    }
    return best;
}

static void keep_line(void *ctx, enum log_level level, const char *line)
{
    (void)level;
    snprintf(ctx, 512, "%s", line);
}

static void test_notices(void **state)
{
    (void)state;
    enum { OTHER_ACTION, OTHER_EPISODE, TOO_LONG, N_KINDS };
    for (int kind = 0; kind < N_KINDS; kind++) {
        struct fixture f, g;
        char line[512] = "";
        setup(&f);
        setup(&g);
        advance(&f, ROLLOUT_POLICY, 0);
        advance(&f, ROLLOUT_POLICY, 1);
        uint32_t sums[TILE];
        OK(replay_tile_checksums(sums, &f.run.tile[1], &f.scratch));
        copy_histories(&g, &f);
        struct rollout_tile *tile = &g.run.tile[1];
        const int e = longest(&f, 1);
        assert_true(tile->steps[e] > 0);
        if (kind == OTHER_ACTION) {
            uint16_t *stored = rollout_stored(tile, e, 0);
            stored[3] = (uint16_t)(stored[3] == 0 ? 1 : stored[3] - 1);
        } else if (kind == OTHER_EPISODE) {
            tile->episode[e]++;
        } else {
            tile->steps[e] = HORIZON;
        }
        log_set_sink(keep_line, line);
        assert_int_equal(replay_tile(tile, sums, STAGGER, N_ENV, &g.scratch), ERR_MISMATCH);
        log_set_sink(NULL, NULL);
        assert_non_null(strstr(line, "environment"));
        teardown(&f);
        teardown(&g);
    }
}

static void test_memory(void **state)
{
    (void)state;
    struct fixture f, g;
    setup(&f);
    setup(&g);
    advance(&f, ROLLOUT_POLICY, 0);
    uint32_t sums[TILE];
    OK(replay_tile_checksums(sums, &f.run.tile[0], &f.scratch));
    copy_histories(&g, &f);
    mem_fail_after(1);
    assert_int_equal(replay_tile(&g.run.tile[0], sums, STAGGER, N_ENV, &g.scratch), ERR_MEMORY);
    struct arena empty;
    arena_init(&empty);
    mem_fail_after(1);
    assert_int_equal(replay_tile_checksums(sums, &f.run.tile[0], &empty), ERR_MEMORY);
    mem_fail_after(0);
    arena_release(&empty);
    OK(replay_tile(&g.run.tile[0], sums, STAGGER, N_ENV, &g.scratch));
    teardown(&f);
    teardown(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_continues),
        cmocka_unit_test(test_notices),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
