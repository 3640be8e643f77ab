/* The dump of an update against an independent implementation (tests/check_update.h), which must
 * also notice whatever is changed in a dump.
 *
 *   test_dump         the tests
 *   test_dump FILE    checks a file that `karma train --dump-update N FILE` wrote
 */
#include "core/base/file.h"
#include "core/base/frame.h"
#include "mpi/train/dump.h"
#include "tests/check_update.h"
#include "tests/unit/scene.h"
#include "tests/unit/toy_learner.h"

#include <unistd.h>

enum { N_ENV = 37, T = 9 };

/* ---- a run of three updates, of which the last is dumped ---- */

static int hidden[] = {20, 12};

/* Every cut and every floor takes part. */
static struct mappo_cfg config(void)
{
    struct mappo_cfg cfg = toy_mappo_cfg();
    cfg.gamma = 0.9;
    cfg.huber_delta = 0.5;
    cfg.entropy = 0.01;
    cfg.lr = 2e-2;
    cfg.lr_end = 1e-2;
    cfg.epochs = 3;
    cfg.grad_norm = 0.3;
    return cfg;
}

struct fixture {
    struct scene scene;
    struct toy_learner learner;
    struct mappo_learner mappo; /* what the update is dumped of */
    const char *path;
};

static int set_up(void **state)
{
    static struct fixture f;
    memset(&f, 0, sizeof f);
    const int e = scene_open(&f.scene);
    arena_init(&f.learner.arena);
    f.path = scene_file(&f.scene, "update.bin");
    f.learner.team_cfg = toy_team_cfg(hidden, 2, 64);
    f.learner.cfg = config();
    *state = &f;
    return e;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    arena_release(&f->learner.arena);
    return scene_close(&f->scene);
}

static struct dump_parts parts_of(struct fixture *f)
{
    return (struct dump_parts){.learner = &f->mappo,
                               .blocks = f->learner.run.block,
                               .n_blocks = f->learner.run.n_tiles,
                               .n_env = N_ENV,
                               .n_stats = f->learner.env.n_stats,
                               .seed = 17};
}

static struct train_options options_of(const struct fixture *f)
{
    return (struct train_options){.dump_update = 2, .dump_file = f->path};
}

static void rollout_and_update(struct fixture *f, enum mappo_phase phase)
{
    const struct rollout_cfg cfg = {.seed = 3, .mode = ROLLOUT_POLICY};
    OK(toy_run_rollout(&f->learner.run, &cfg, f->learner.run.team.w.version));
    OK(mappo_update(f->learner.mappo, f->learner.run.block, phase, 0.25, &f->mappo.stats));
}

static void begin_learning(struct fixture *f, const struct toy_shape *shape)
{
    struct toy_learner *l = &f->learner;
    toy_learner_init(l, shape, N_ENV, T);
    OK(mappo_learner_init(&f->mappo, &l->arena, &l->run.team, &l->cfg));
    f->mappo.mappo = l->mappo;
}

static void make_dump(struct fixture *f, const struct toy_shape *shape)
{
    static const enum mappo_phase before[] = {MAPPO_WARMUP, MAPPO_VALUE, MAPPO_PPO};
    struct dump d;
    const struct train_options opt = options_of(f);
    begin_learning(f, shape);
    for (size_t i = 0; i < sizeof before / sizeof *before; i++) {
        rollout_and_update(f, before[i]);
    }
    OK(dump_begin(&d, &f->mappo));
    rollout_and_update(f, MAPPO_PPO);
    const struct dump_parts parts = parts_of(f);
    OK(dump_end(&d, &parts, &opt));
    dump_release(&d);
}

/* ---- reading it ---- */

/* Keeps the file in `file`; NULL with a message if it is none. */
static Karma__UpdateDump *read_dump(struct buf *file, const char *path)
{
    struct frame_reader reader;
    struct frame frame;
    if (file_read(file, path, FRAME_BYTES_MAX) != ERR_OK) {
        return NULL;
    }
    frame_reader_init(&reader, file->data, file->len, path);
    if (frame_expect(&reader, &frame, FRAME_UPDATE_DUMP, 1) != ERR_OK ||
        frame_expect_end(&reader) != ERR_OK) {
        return NULL;
    }
    return karma__update_dump__unpack(NULL, frame.n, frame.payload);
}

static int count_wrong(const Karma__UpdateDump *d, FILE *out)
{
    struct arena arena;
    arena_init(&arena);
    const int wrong = check_update(d, &arena, out);
    arena_release(&arena);
    return wrong;
}

static Karma__UpdateDump *dump_of(struct fixture *f, const struct toy_shape *shape)
{
    make_dump(f, shape);
    Karma__UpdateDump *d = read_dump(&f->scene.text, f->path);
    assert_non_null(d);
    return d;
}

static void expect_right(struct fixture *f, const struct toy_shape *shape)
{
    Karma__UpdateDump *d = dump_of(f, shape);
    const int wrong = count_wrong(d, stderr);
    karma__update_dump__free_unpacked(d, NULL);
    assert_int_equal(wrong, 0);
}

/* ---- tests ---- */

static void test_separate_actors(void **state)
{
    struct fixture *f = *state;
    expect_right(f, &toy_three);
    assert_true(f->mappo.stats.clip_fraction > 0.05);
}

static void test_shared_actor_local_critic_relu(void **state)
{
    struct fixture *f = *state;
    f->learner.team_cfg.share_actor = true;
    f->learner.team_cfg.critic = CRITIC_LOCAL;
    f->learner.team_cfg.activation = ACT_RELU;
    expect_right(f, &toy_three);
}

static void test_separate_actors_local_critic(void **state)
{
    struct fixture *f = *state;
    f->learner.team_cfg.critic = CRITIC_LOCAL;
    f->learner.cfg.value_beta = 0;
    f->learner.cfg.grad_norm = 0;
    expect_right(f, &toy_three);
}

static void test_two_mask_words(void **state)
{
    struct fixture *f = *state;
    f->learner.cfg.minibatches = 1;
    f->learner.team_cfg.n_actor_hidden = 0;
    expect_right(f, &toy_alone);
}

#define NUMBER(name, value) #name, offsetof(Karma__UpdateDump, name), value

static void test_another_hyper_parameter_is_noticed(void **state)
{
    static const struct {
        const char *name;
        size_t offset;
        double value;
    } others[] = {
        {NUMBER(gamma, 0.901)},       {NUMBER(gae_lambda, 0.951)},    {NUMBER(clip, 0.21)},
        {NUMBER(value_clip, 0.21)},   {NUMBER(huber_delta, 0.51)},    {NUMBER(entropy, 0.011)},
        {NUMBER(lr, 0.0178)},         {NUMBER(grad_norm, 0.31)},      {NUMBER(adam_beta1, 0.89)},
        {NUMBER(adam_beta2, 0.9985)}, {NUMBER(adam_eps, 1e-4)},       {NUMBER(value_beta, 0.89)},
        {NUMBER(advantage_eps, 0.1)}, {NUMBER(value_sigma_min, 100)},
    };
    struct fixture *f = *state;
    Karma__UpdateDump *d = dump_of(f, &toy_three);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        double *number = (double *)(void *)((char *)d + others[i].offset);
        const double right = *number;
        *number = others[i].value;
        if (count_wrong(d, NULL) == 0) {
            fail_msg("%s %g instead of %g was not noticed", others[i].name, others[i].value, right);
        }
        *number = right;
    }
    assert_int_equal(count_wrong(d, NULL), 0);
    d->adam_t_actor++;
    assert_true(count_wrong(d, NULL) > 0);
    d->adam_t_actor--;
    d->adam_t_critic--;
    assert_true(count_wrong(d, NULL) > 0);
    karma__update_dump__free_unpacked(d, NULL);
}

static void expect_noticed(const Karma__UpdateDump *d, float *x, float added)
{
    const float right = *x;
    *x += added;
    assert_true(count_wrong(d, NULL) > 0);
    *x = right;
}

static void test_another_number_is_noticed(void **state)
{
    struct fixture *f = *state;
    Karma__UpdateDump *d = dump_of(f, &toy_three);
    Karma__TileBlock *last = d->blocks[d->n_blocks - 1];
    expect_noticed(d, &last->reward[7], 0.01f);
    expect_noticed(d, &last->value[7], 0.01f);
    expect_noticed(d, &last->logp[7], 0.01f);
    expect_noticed(d, &last->last_value[1], 0.01f);
    expect_noticed(d, &last->global_state[0], 1.0f);
    expect_noticed(d, &d->actor_in[d->n_actor_in / 2], 0.1f);
    expect_noticed(d, &d->critic_in[d->n_critic_in / 2], 0.1f);
    expect_noticed(d, &d->advantage[100], 0.01f);
    expect_noticed(d, &d->target[100], 0.01f);
    expect_noticed(d, &d->before->params[3], 0.01f);
    expect_noticed(d, &d->after->params[3], 0.01f);
    expect_noticed(d, &d->adam_m[3], 0.01f);
    expect_noticed(d, &d->adam_v[3], 0.01f);
    last->flag.data[3] ^= 1;
    assert_true(count_wrong(d, NULL) > 0);
    last->flag.data[3] ^= 1;
    uint32_t first = d->minibatch_of[0], e = 0;
    while (d->minibatch_of[e] == first) {
        e++;
    }
    d->minibatch_of[0] = d->minibatch_of[e], d->minibatch_of[e] = first; /* as large, but others */
    assert_true(count_wrong(d, NULL) > 0);
    karma__update_dump__free_unpacked(d, NULL);
}

static void test_what_cannot_be_dumped(void **state)
{
    static const struct {
        struct train_options opt;
        int n_learners;
        enum err err;
        const char *sentence;
    } cases[] = {
        {{.dump_update = 0}, 3, ERR_OK, ""},
        {{.dump_update = 5, .dump_file = "/tmp/a.bin"}, 1, ERR_OK, ""},
        {{.dump_update = 6, .dump_file = "/tmp/a.bin"}, 1, ERR_USAGE, "the run has 5 updates"},
        {{.dump_update = 5, .dump_file = "/tmp/a.bin"}, 2, ERR_USAGE, "--set train.learners=1"},
        {{.dump_update = 5, .dump_file = "/tmp"}, 1, ERR_USAGE, "/tmp is a directory"},
        {{.dump_update = 5, .dump_file = "/dev/null/a.bin"}, 1, ERR_IO, "/dev/null"},
        {{.dump_update = 5, .dump_file = "/dev/null/a.bin", .dry_run = true}, 1, ERR_OK, ""},
    };
    struct fixture *f = *state;
    const struct train_cfg cfg = {.updates = 5};
    begin_learning(f, &toy_three);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        heard_forget(&f->scene.log);
        assert_int_equal(dump_check(&cases[i].opt, &cfg, &f->mappo.base, cases[i].n_learners),
                         cases[i].err);
        assert_non_null(strstr(f->scene.log.text, cases[i].sentence));
    }
    const struct learner_ops other = {.name = "table"};
    struct learner table = {.ops = &other};
    assert_int_equal(dump_check(&cases[1].opt, &cfg, &table, 1), ERR_USAGE);
    assert_non_null(strstr(f->scene.log.text, "the first team learns with table"));
}

/* Either nothing happens or everything does. */
static void test_memory_failure(void **state)
{
    struct fixture *f = *state;
    const struct train_options opt = options_of(f);
    int failures = 0;
    begin_learning(f, &toy_three);
    rollout_and_update(f, MAPPO_PPO);
    const struct dump_parts parts = parts_of(f);
    for (uint64_t n = 1; n < 8; n++) {
        struct dump d;
        mem_fail_after(n);
        enum err e = dump_begin(&d, &f->mappo);
        if (e == ERR_OK) {
            e = dump_end(&d, &parts, &opt);
            dump_release(&d);
        }
        mem_fail_after(0);
        assert_true(e == ERR_OK || e == ERR_MEMORY);
        assert_int_equal(file_exists(f->path), e == ERR_OK);
        failures += e == ERR_MEMORY;
        unlink(f->path);
    }
    assert_true(failures > 2);
}

static int check_file(const char *path)
{
    struct buf file;
    buf_init(&file);
    Karma__UpdateDump *d = read_dump(&file, path);
    const int wrong = d == NULL ? -1 : count_wrong(d, stdout);
    if (wrong < 0) {
        fprintf(stderr, "%s: not a whole dump of an update\n", path);
    }
    if (d != NULL) {
        karma__update_dump__free_unpacked(d, NULL);
    }
    buf_release(&file);
    return wrong == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_separate_actors, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_shared_actor_local_critic_relu, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_separate_actors_local_critic, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_two_mask_words, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_another_hyper_parameter_is_noticed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_another_number_is_noticed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_cannot_be_dumped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_memory_failure, set_up, tear_down),
    };
    return argc > 1 ? check_file(argv[1]) : cmocka_run_group_tests(tests, NULL, NULL);
}
