/* Two teams of different shapes and opposite rewards, trained together: same bits for any number of
 * ranks, whoever learns, and after an end of any kind. Networks against networks, and networks
 * against a table, which the trainer does not know.
 * RUN: np=1,2,3,4
 */
#include "core/marl/mappo_learner.h"
#include "mpi/comm/stop.h"
#include "mpi/train/train.h"
#include "mpi/train/train_game.h"
#include "tests/mpi/duel.h"
#include "tests/mpi/ranks.h"
#include "tests/mpi/run_files.h"
#include "tests/mpi/table.h"
#include "tests/unit/toy_env.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>

enum { ENVS = 44, UPDATES = 6 };

/* What must come out, and the CRC of what the newest checkpoint is made of: on 1, 2, 3 and 4 ranks.
 * Written by this test when they change: for a change that is meant to change what is learned. */
static const struct golden {
    const char *name;
    bool table, ahead;
    uint64_t digest, checkpoint;
} goldens[] = {
    {"networks against networks", false, false, 0xcac86a0e0bfcc45f, 0x7852abd3202c69b6},
    {"networks against a table", true, false, 0xdc5c201af940b4d5, 0xccffb57f24a19be7},
    {"the same in a pipeline", true, true, 0x26ed10a856f4c26e, 0xc98d7ef0b0af4c60},
};
enum { GOLDENS = sizeof goldens / sizeof *goldens };

/* One training. */
struct bout {
    struct train_cfg train;
    bool table;   /* the raiders learn with one */
    bool idle[2]; /* that team plays and never learns */
    struct duel_trouble trouble;
    bool resume;
    char dir[512];
    uint64_t digest;
};

static int hidden[] = {12};

static struct mappo_cfg mappo_cfg(void)
{
    return (struct mappo_cfg){.gamma = 0.9,
                              .lambda = 0.95,
                              .clip = 0.2,
                              .value_clip = 0.2,
                              .huber_delta = 10,
                              .entropy = 0.003,
                              .lr = 5e-3,
                              .lr_end = 1e-3,
                              .epochs = 3,
                              .minibatches = 3,
                              .grad_norm = 0.5,
                              .adam_beta1 = 0.9,
                              .adam_beta2 = 0.999,
                              .adam_eps = 1e-5,
                              .value_beta = 0.9};
}

static struct bout bout(bool table)
{
    return (struct bout){.train = {.seed = 5,
                                   .updates = UPDATES,
                                   .envs = ENVS,
                                   .steps = 5,
                                   .learners = 0,
                                   .stagger = true,
                                   .checkpoint_every = 1,
                                   .checkpoint_keep = 2},
                         .table = table};
}

/* Collective. Anew, unless it is to be resumed. */
static enum err fight(struct ranks *r, struct bout *b)
{
    static const char *const features[GUARD_STATE] = {"level", "pushed", "left"};
    const struct mappo_cfg mappo = mappo_cfg();
    const struct team_cfg left = toy_team_cfg(hidden, 1, 16), right = toy_team_cfg(hidden, 1, 8);
    const struct mappo_source sources[] = {
        {.team = &left, .mappo = b->idle[GUARDS] ? NULL : &mappo},
        {.team = &right, .mappo = b->idle[RAIDERS] ? NULL : &mappo},
    };
    const struct learner_source learners[] = {
        mappo_source_learner(&sources[0]),
        b->table ? (struct learner_source){.make = table_make} : mappo_source_learner(&sources[1]),
    };
    const struct env_source envs = {
        .spec = &duel_spec, .horizon = DUEL_HORIZON, .ctx = &b->trouble, .make = duel_make};
    if (b->dir[0] == '\0') {
        snprintf(b->dir, sizeof b->dir, "%s.np%d", program_invocation_name, r->c.size);
    }
    const struct train_setup setup = {.train = &b->train,
                                      .envs = &envs,
                                      .learners = learners,
                                      .run_dir = b->dir,
                                      .config = "{}\n",
                                      .config_digest = 77,
                                      .features = features};
    const struct train_options opt = {.resume = b->resume};
    stop_listen(); /* and forget a signal of the training before */
    if (!b->resume) {
        run_remove(r, b->dir);
    }
    return train_run(&r->c, &b->digest, &setup, &opt);
}

/* ---- the same bits ---- */

static bool is_golden(const struct golden *g, const struct bout *b, bool root)
{
    const uint64_t checkpoint =
        root ? run_file_hash(b->dir, "checkpoints/update-5.ckpt") : g->checkpoint;
    const bool same = b->digest == g->digest && checkpoint == g->checkpoint;
    if (!same && root) {
        fprintf(stderr, "%s: digest 0x%016" PRIx64 ", checkpoint 0x%016" PRIx64 "\n", g->name,
                b->digest, checkpoint);
    }
    return same;
}

static void test_ranks_and_learners(struct ranks *r)
{
    for (int i = 0; i < GOLDENS; i++) {
        for (int learners = 0; learners < r->c.size; learners++) {
            struct bout b = bout(goldens[i].table);
            b.train.pipeline = goldens[i].ahead;
            b.train.learners = learners;
            EXPECT(r, fight(r, &b) == ERR_OK);
            EXPECT(r, is_golden(&goldens[i], &b, r->c.rank == 0));
        }
    }
}

/* ---- after an end ---- */

static enum err fail_here(void)
{
    log_error("this environment fails as the test asks");
    return ERR_FAILED;
}

static enum err ask_to_stop(void)
{
    raise(SIGUSR1);
    return ERR_OK;
}

/* What is on the disk when a rank fails in the middle is what a kill leaves behind. In a pipeline
 * blocks of the next rollout are under way then; they would meet the next training in this process,
 * so there the failing one sends none. */
static void resume_after(struct ranks *r, const struct golden *g, enum err (*how)(void),
                         enum err ends)
{
    const bool quiet = g->ahead && ends == ERR_FAILED;
    for (int learners = 0; learners < (r->c.size > 1 && !quiet ? 2 : 1); learners++) {
        struct bout b = bout(g->table);
        b.train.pipeline = g->ahead;
        b.train.learners = learners;
        b.trouble = (struct duel_trouble){.gid = 21, .episode = 3, .on_reset = how};
        EXPECT(r, fight(r, &b) == ends);
        b.trouble.on_reset = NULL;
        b.resume = true;
        b.train.learners = r->c.size > 1 ? 1 - learners : 0; /* others learn from here on */
        EXPECT(r, fight(r, &b) == ERR_OK);
        EXPECT(r, is_golden(g, &b, r->c.rank == 0));
    }
}

static void test_resume_after_failure(struct ranks *r)
{
    for (int i = 0; i < GOLDENS; i++) {
        resume_after(r, &goldens[i], fail_here, ERR_FAILED);
    }
}

static void test_resume_after_stop(struct ranks *r)
{
    for (int i = 0; i < GOLDENS; i++) {
        resume_after(r, &goldens[i], ask_to_stop, ERR_STOPPED);
    }
}

/* A checkpoint of one kind of learner is not one of another. */
static void test_other_learner(struct ranks *r)
{
    struct bout b = bout(true);
    b.trouble = (struct duel_trouble){.gid = 21, .episode = 3, .on_reset = fail_here};
    EXPECT(r, fight(r, &b) == ERR_FAILED);
    b.trouble.on_reset = NULL;
    b.resume = true;
    b.table = false;
    EXPECT(r, fight(r, &b) == ERR_MISMATCH);
    EXPECT(r, r->c.rank != 0 || strstr(r->logged, "parameters") != NULL);
}

/* ---- what is learned ---- */

/* Rewards are opposite, and each team's columns stand in metrics.csv. */
static void test_metrics(struct ranks *r)
{
    struct bout b = bout(true);
    EXPECT(r, fight(r, &b) == ERR_OK);
    if (r->c.rank == 0) {
        const double guards = run_last_metric(b.dir, "step_reward");
        const double raiders = run_last_metric(b.dir, "raiders.step_reward");
        EXPECT(r, guards < -0.1 && fabs(guards + raiders) < 1e-4);
        EXPECT(r, run_last_metric(b.dir, "raiders.moved") > 0.0);
        EXPECT(r, run_last_metric(b.dir, "explained_variance") <= 1.0);
        EXPECT(r, isnan(run_last_metric(b.dir, "raiders.kl")));
        EXPECT(r, run_file_hash(b.dir, "policy/raiders.bin") !=
                      run_file_hash(b.dir, "policy/nobody.bin"));
    }
}

/* Against raiders that never learn the guards get better; the raiders' weights stay. */
static void test_one_team_learns(struct ranks *r)
{
    struct bout b = bout(false);
    b.idle[RAIDERS] = true;
    b.train.updates = 1;
    EXPECT(r, fight(r, &b) == ERR_OK);
    const double before = run_last_metric(b.dir, "step_reward");
    const uint64_t raiders = run_file_hash(b.dir, "policy/raiders.bin");
    b.train.updates = 60;
    EXPECT(r, fight(r, &b) == ERR_OK);
    const double after = run_last_metric(b.dir, "step_reward");
    EXPECT(r, r->c.rank != 0 || after > before + 1.0);
    EXPECT(r, r->c.rank != 0 || run_file_hash(b.dir, "policy/raiders.bin") == raiders);
}

/* The same with the table that learns, of the second team, and first team that does not. */
static void test_table_learns(struct ranks *r)
{
    struct bout b = bout(true);
    b.idle[GUARDS] = true;
    b.train.updates = 1;
    EXPECT(r, fight(r, &b) == ERR_OK);
    const double before = run_last_metric(b.dir, "raiders.step_reward");
    b.train.updates = 60;
    EXPECT(r, fight(r, &b) == ERR_OK);
    EXPECT(r, r->c.rank != 0 || run_last_metric(b.dir, "raiders.step_reward") > before + 1.0);
    run_remove(r, b.dir);
}

static const struct ranks_test tests[] = {
    {"two teams: the committed digests", test_ranks_and_learners},
    {"two teams: resumed after a failure", test_resume_after_failure},
    {"two teams: resumed after a stop on request", test_resume_after_stop},
    {"a checkpoint of another learner", test_other_learner},
    {"metrics of both teams", test_metrics},
    {"one team learns against one that does not", test_one_team_learns},
    {"a table learns against a team that does not", test_table_learns},
};

/* For tests/cmd/test_teams.sh, which kills it: one training of networks against a table in DIR, or
 * the rest of one. Rank 0 prints the digest. */
static int train_for(int argc, char **argv)
{
    static struct ranks r;
    if (comm_init(&r.c, &argc, &argv) != ERR_OK) {
        return 1;
    }
    log_init(r.c.rank);
    struct bout b = bout(true);
    b.train.updates = 300;
    b.train.learners = r.c.size > 2 ? 2 : 0;
    b.resume = argc > 3;
    snprintf(b.dir, sizeof b.dir, "%s", argv[2]);
    const enum err e = fight(&r, &b);
    if (e == ERR_OK && r.c.rank == 0) {
        printf("digest %016" PRIx64 "\n", b.digest);
    }
    comm_finalize(&r.c);
    return e == ERR_OK ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc > 2 && strcmp(argv[1], "train") == 0) {
        return train_for(argc, argv);
    }
    return ranks_main(argc, argv, tests, (int)(sizeof tests / sizeof *tests));
}
