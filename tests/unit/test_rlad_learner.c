/* The learner of Rlad-core in a game: what an update makes of two tiles is what the tables make of
 * their transitions, taken one after the other by code that knows no tiles. */
#include "core/marl/rollout.h"
#include "core/methods/rlad_learner.h"
#include "tests/unit/game_fixture.h"

#include <math.h>

#define OK(call) assert_int_equal((call), ERR_OK)

enum { TILES = 2, N_ENV = 11, T = 9, SERVICES = 4, UPDATES = 3 };
static const uint64_t SEED = 5;
static const char WORLD[] = "workload: {mean_rps: 30}\n"
                            "game: {horizon: 7}\n";

/* All leaves of a sum in one process, merged from the left. */
struct leaves {
    const struct learner *learner;
    char *records;
    int n;
};

static void *leaf(void *ctx, int tile)
{
    const struct leaves *l = ctx;
    return l->records + (size_t)tile * l->learner->sums[0].bytes;
}

static void leaf_done(void *ctx, int tile)
{
    assert_int_equal(((struct leaves *)ctx)->n++, tile);
}

static enum err total(void *ctx, void *out)
{
    struct leaves *l = ctx;
    const struct learner_sum *sum = &l->learner->sums[0];
    assert_int_equal(l->n, TILES);
    sum->merge(sum->ctx, leaf(l, 0), leaf(l, 0), leaf(l, 1));
    memcpy(out, leaf(l, 0), sum->bytes);
    l->n = 0;
    return ERR_OK;
}

struct fixture {
    struct game_fixture w;
    struct rlad_cfg cfg;
    struct rlad_interface rlad;
    struct env_spec spec;
    struct learner *learner;
    struct leaves leaves;
    struct reducer sum;
    struct rollout *rollout;
    struct rollout_tile tiles[TILES];
    struct block blocks[TILES];
    struct rlad reference;
};

static int n_env_of(int tile)
{
    return tile == TILES - 1 ? N_ENV - TILE * (TILES - 1) : TILE;
}

static void make_tiles(struct fixture *f)
{
    struct arena *arena = &f->w.arena;
    const struct interface *const alone[] = {&f->rlad.interface};
    const struct game_teams teams = {
        .env_setup = &f->w.env_setup, .spec = &f->spec, .interfaces = alone};
    for (int i = 0; i < TILES; i++) {
        f->tiles[i] = (struct rollout_tile){.tile = i};
        OK(game_new_teams(&f->tiles[i].env, arena, &teams, n_env_of(i), SEED, NULL));
        OK(block_init(&f->blocks[i], arena, &f->spec, 0, n_env_of(i), T));
        f->blocks[i].tile = i;
    }
}

static void start(struct fixture *f, struct rlad_cfg cfg)
{
    memset(f, 0, sizeof *f);
    game_fixture_open(&f->w, WORLD);
    f->cfg = cfg;
    struct arena *arena = &f->w.arena;
    OK(rlad_interface_init(&f->rlad, arena, &f->cfg, &f->w.env_setup));
    const struct interface *const alone[] = {&f->rlad.interface};
    OK(interface_env_spec(&f->spec, arena, alone, 1));
    const struct rlad_plan plan = {
        .interface = &f->rlad, .n_env = N_ENV, .n_steps = T, .learns = true};
    OK(rlad_learner_new(&f->learner, arena, &plan, SEED));
    OK(rollout_init(&f->rollout, arena, &f->spec, &f->learner));
    make_tiles(f);
    f->leaves = (struct leaves){.learner = f->learner,
                                .records = arena_alloc(arena, TILES, f->learner->sums[0].bytes)};
    f->sum = (struct reducer){.bytes = f->learner->sums[0].bytes,
                              .ctx = &f->leaves,
                              .leaf = leaf,
                              .leaf_done = leaf_done,
                              .total = total};
    const struct learner_batch batch = {
        .seed = SEED, .n_env = N_ENV, .n_steps = T, .n_mine = TILES, .sums = &f->sum};
    OK(f->learner->ops->prepare(f->learner, arena, &batch));
    OK(rlad_init(&f->reference, arena, &f->cfg, f->rlad.services, SERVICES));
    double *learned = ARENA_NEW(arena, rlad_doubles(&f->reference), double);
    OK(arena_error(arena));
    rlad_bind(&f->reference, learned);
    rlad_clear(&f->reference);
}

static void finish(struct fixture *f)
{
    game_fixture_close(&f->w);
}

static void roll(struct fixture *f, uint32_t update)
{
    const struct rollout_cfg cfg = {.seed = SEED};
    for (int i = 0; i < TILES; i++) {
        struct block *blocks[] = {&f->blocks[i]};
        OK(rollout_run(f->rollout, blocks, &f->tiles[i], &cfg, update, 7, N_ENV));
    }
}

/* The transition that ended at decision t of environment e. */
static bool step_at(struct rlad_step *out, const struct fixture *f, int e, int t, int s)
{
    const struct block *b = &f->blocks[e / TILE];
    const size_t row = (size_t)(e % TILE * T + t);
    const float *x = b->global_state + row * SERVICES * RLAD_COLUMNS + s * RLAD_COLUMNS;
    const struct rlad_service *v = &f->reference.services[s];
    *out = (struct rlad_step){.service = s,
                              .choice = (int)x[RLAD_CHOICE],
                              .next = rlad_state(v, (int)x[RLAD_REPLICAS], (int)x[RLAD_BIN]),
                              .unknown = (double)x[RLAD_UNKNOWN_COST]};
    if (x[RLAD_REPLICAS_BEFORE] <= 0) {
        return false;
    }
    out->state = rlad_state(v, (int)x[RLAD_REPLICAS_BEFORE], (int)x[RLAD_BIN_BEFORE]);
    return true;
}

/* Decision after decision, environment after environment. Returns the number of transitions. */
static int learn_reference(struct fixture *f, uint32_t update)
{
    struct rlad_step step;
    struct rlad *r = &f->reference;
    const bool model_based = f->cfg.algorithm == RLAD_MODEL_BASED;
    double *record = ARENA_NEW(&f->w.arena, rlad_record_doubles(r), double);
    int n = 0;
    OK(arena_error(&f->w.arena));
    for (int i = 0; i < T * N_ENV * SERVICES; i++) {
        const int t = i / (N_ENV * SERVICES), e = i / SERVICES % N_ENV, s = i % SERVICES;
        if (!step_at(&step, f, e, t, s)) {
            continue;
        }
        n++;
        if (model_based) {
            rlad_record(r, record, &step);
        } else {
            rlad_learn_step(r, &step, rng_key(SEED, RNG_MINIBATCH, RNG_TRAIN),
                            (uint32_t)(e * T + t), update);
        }
    }
    if (model_based) {
        rlad_learn(r, record, f->cfg.sweeps * T);
    }
    return n;
}

static double mean_reward(const struct fixture *f)
{
    double sum = 0;
    for (int i = 0; i < TILES; i++) {
        for (int k = 0; k < n_env_of(i) * T * SERVICES; k++) {
            sum += (double)f->blocks[i].reward[k];
        }
    }
    return sum / (N_ENV * T * SERVICES);
}

static void assert_same_tables(const struct fixture *f)
{
    const struct rlad *got = rlad_of(f->learner), *want = &f->reference;
    double moved = 0;
    for (size_t i = 0; i < rlad_doubles(want); i++) {
        if (!(fabs(got->q[i] - want->q[i]) <= 1e-12)) {
            fail_msg("number %zu: %.17g, not %.17g", i, got->q[i], want->q[i]);
        }
    }
    for (size_t i = 0; i < want->n_pairs; i++) {
        assert_true(f->learner->w->params[i] == (float)got->q[i]);
        moved = fmax(moved, fabs(got->q[i]));
    }
    assert_true(moved > 0);
}

static struct rlad_cfg cfg_of(int algorithm)
{
    return (struct rlad_cfg){.algorithm = algorithm,
                             .resources = 0.09,
                             .lateness = 0.9,
                             .alpha = 0.1,
                             .gamma = 0.99,
                             .sweeps = 2,
                             .epsilon = 0.25,
                             .replays = 25,
                             .memory = 40,
                             .replay_percent = 2};
}

static void check_updates(struct rlad_cfg cfg)
{
    const struct learn_args args = {.phase = LEARN_ALL};
    struct learn_stats stats;
    struct fixture f;
    start(&f, cfg);
    for (uint32_t update = 0; update < UPDATES; update++) {
        roll(&f, update);
        const int n = learn_reference(&f, update);
        assert_true(n > SERVICES * N_ENV * (T - 3) && n < SERVICES * N_ENV * T);
        const uint64_t calls = mem_calls();
        OK(f.learner->ops->learn(f.learner, f.blocks, &args, &stats));
        assert_int_equal(mem_calls(), calls);
        assert_same_tables(&f);
        assert_true(fabs(stats.reward - mean_reward(&f)) < 1e-9);
        assert_true(stats.entropy_agent == -1 && stats.columns[0] > 0 && stats.columns[1] > 0);
        assert_int_equal(f.learner->w->version, update + 1);
    }
    finish(&f);
}

static void test_model_based(void **state)
{
    struct rlad_cfg cfg = cfg_of(RLAD_MODEL_BASED);
    (void)state;
    check_updates(cfg);
    cfg.transitions = RLAD_ACTION;
    check_updates(cfg);
}

static void test_q_learning(void **state)
{
    (void)state;
    check_updates(cfg_of(RLAD_Q_LEARNING));
}

static void test_dyna_q(void **state)
{
    struct rlad_cfg cfg = cfg_of(RLAD_DYNA_Q);
    (void)state;
    check_updates(cfg);
    cfg.successor_quirk = true;
    check_updates(cfg);
    cfg = cfg_of(RLAD_DYNA_Q_2);
    check_updates(cfg);
    cfg.exploration = RLAD_DECAYING;
    check_updates(cfg);
}

/* Two records side by side, in either order and in either place. */
static void test_merging(void **state)
{
    struct fixture f;
    (void)state;
    start(&f, cfg_of(RLAD_Q_LEARNING));
    const struct learn_args args = {.phase = LEARN_WARMUP};
    const size_t bytes = f.learner->sums[0].bytes;
    const struct learner_sum *sum = &f.learner->sums[0];
    struct learn_stats stats;
    char *other = arena_alloc(&f.w.arena, 2, bytes);
    OK(arena_error(&f.w.arena));
    roll(&f, 0);
    OK(f.learner->ops->learn(f.learner, f.blocks, &args, &stats)); /* leaf 0 is the total now */
    sum->merge(sum->ctx, other, leaf(&f.leaves, 1), leaf(&f.leaves, 0));
    assert_memory_equal(other, leaf(&f.leaves, 0), bytes);
    sum->merge(sum->ctx, leaf(&f.leaves, 1), leaf(&f.leaves, 0), leaf(&f.leaves, 1));
    assert_memory_equal(other, leaf(&f.leaves, 1), bytes);
    finish(&f);
}

/* Other phases than LEARN_ALL change nothing. */
static void test_phases(void **state)
{
    static const enum learn_phase phases[] = {LEARN_WARMUP, LEARN_CLONE, LEARN_VALUE};
    struct learn_stats stats;
    struct fixture f;
    (void)state;
    start(&f, cfg_of(RLAD_MODEL_BASED));
    roll(&f, 0);
    const uint64_t before = weights_hash(1, f.learner->w);
    for (int i = 0; i < 3; i++) {
        const struct learn_args args = {.phase = phases[i]};
        OK(f.learner->ops->learn(f.learner, f.blocks, &args, &stats));
        assert_true(weights_hash(1, f.learner->w) == before);
        assert_true(fabs(stats.reward - mean_reward(&f)) < 1e-9);
    }
    finish(&f);
}

/* Of 3 open choices the best is taken with 1 - epsilon + epsilon / 3, and a policy that is played
 * takes it always. The mask is kept. */
static void test_exploration(void **state)
{
    enum { ROWS = 4000 };
    struct fixture f;
    (void)state;
    start(&f, cfg_of(RLAD_Q_LEARNING));
    float row[SERVICES * RLAD_COLUMNS] = {0}, logp[SERVICES];
    uint32_t mask[SERVICES] = {7, 7, 6, 7};
    int32_t action[SERVICES];
    int taken[SERVICES] = {0};
    struct learner_view view = {
        .n = 1, .global_state = row, .mask = mask, .key = rng_key(SEED, RNG_ACTION, RNG_TRAIN)};
    for (uint32_t i = 0; i < ROWS; i++) {
        view.gid = &i;
        view.greedy = false;
        f.learner->ops->act(f.learner, action, logp, NULL, &view);
        for (int s = 0; s < SERVICES; s++) {
            assert_true(mask_has(&mask[s], action[s]));
            taken[s] += action[s] == RLAD_NO_CHANGE ? 1 : 0;
        }
        assert_true(fabs(exp((double)logp[0]) -
                         (action[0] == RLAD_NO_CHANGE ? 0.75 + 0.25 / 3 : 0.25 / 3)) < 1e-6);
        view.greedy = true;
        view.gid = NULL;
        f.learner->ops->act(f.learner, action, logp, NULL, &view);
        assert_true(action[0] == RLAD_NO_CHANGE && logp[0] == 0.0F);
    }
    assert_true(fabs((double)taken[0] / ROWS - (0.75 + 0.25 / 3)) < 0.02);
    assert_true(fabs((double)taken[2] / ROWS - (0.75 + 0.25 / 2)) < 0.02);
    finish(&f);
}

/* A decaying epsilon is 1 / t at place t of the stream of decisions: update by update, decision by
 * decision, environment by environment. */
static void test_decaying_exploration(void **state)
{
    struct rlad_cfg cfg = cfg_of(RLAD_Q_LEARNING);
    struct fixture f;
    (void)state;
    cfg.exploration = RLAD_DECAYING;
    start(&f, cfg);
    float row[SERVICES * RLAD_COLUMNS] = {0}, logp[SERVICES];
    uint32_t mask[SERVICES] = {7, 7, 7, 7};
    int32_t action[SERVICES];
    for (uint32_t i = 0; i < 3 * N_ENV * T; i++) {
        const uint32_t gid = i % N_ENV;
        const struct learner_view view = {.n = 1,
                                          .global_state = row,
                                          .mask = mask,
                                          .key = rng_key(SEED, RNG_ACTION, RNG_TRAIN),
                                          .gid = &gid,
                                          .step = i / N_ENV % T,
                                          .update = i / N_ENV / T};
        f.learner->ops->act(f.learner, action, logp, NULL, &view);
        const double epsilon = 1 / (i + 1.0);
        const double p = action[0] == RLAD_NO_CHANGE ? 1 - epsilon * 2 / 3 : epsilon / 3;
        assert_true(fabs(exp((double)logp[0]) - p) < 1e-6);
    }
    finish(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model_based),
        cmocka_unit_test(test_q_learning),
        cmocka_unit_test(test_dyna_q),
        cmocka_unit_test(test_merging),
        cmocka_unit_test(test_phases),
        cmocka_unit_test(test_exploration),
        cmocka_unit_test(test_decaying_exploration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
