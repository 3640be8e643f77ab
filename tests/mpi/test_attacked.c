/* Defenders and a learned attacker in one training: the same bits for any number of ranks, whoever
 * learns, ahead or not, and after a checkpoint, for each kind of opponent. test_teams tests what
 * holds for any two teams: ends of all kinds, and that a team which does not learn keeps its
 * weights.
 * RUN: np=1,2,3,4
 */
#include "mpi/comm/stop.h"
#include "mpi/jobs/attacked.h"
#include "tests/mpi/tiny.h"

/* As tiny_train(), with every team that the configuration asks for. */
static enum err train(struct ranks *r, struct tiny_run *t, struct experiment *x, bool resume)
{
    struct attacked sources;
    struct train_setup setup = {
        .run_dir = x->cfg.run.dir, .config = (const char *)x->resolved.data, .config_digest = 5};
    const struct train_options opt = {.resume = resume};
    TRY(comm_agree(&r->c, attacked_setup(&setup, &sources, x)));
    return train_run(&r->c, &t->digest, &setup, &opt);
}

static enum err go_in(struct ranks *r, struct tiny_run *t, bool resume)
{
    struct experiment x;
    char dir[600];
    snprintf(t->dir, sizeof t->dir, "%s.np%d", program_invocation_name, r->c.size);
    snprintf(dir, sizeof dir, "run.dir=%s", t->dir);
    tiny_set(t, dir);
    if (!resume) {
        run_remove(r, t->dir);
    }
    stop_listen(); /* and forget a signal of the training before */
    const enum err loaded =
        experiment_load(&x, "configs/experiments/tiny.yaml", t->sets, t->n_sets);
    t->n_sets--;
    enum err e = comm_agree(&r->c, loaded);
    if (e == ERR_OK) {
        e = train(r, t, &x, resume);
    }
    if (loaded == ERR_OK) {
        experiment_release(&x);
    }
    return e;
}

static struct tiny_run run(const char *a, const char *b)
{
    struct tiny_run t = {0};
    tiny_set(&t, a);
    if (b != NULL) {
        tiny_set(&t, b);
    }
    return t;
}

static void test_golden(struct ranks *r)
{
    static const char *const learners[] = {"train.learners=0", "train.learners=1",
                                           "train.learners=2"};
    for (int i = 0; i < 3 && i < r->c.size; i++) {
        struct tiny_run t = run("train.opponent=together", learners[i]);
        EXPECT(r, go_in(r, &t, false) == ERR_OK);
        EXPECT(r, tiny_same(learners[i], t.digest, tiny_golden("together")));
    }
}

static void test_alternating(struct ranks *r)
{
    struct tiny_run t = run("train.opponent=alternating", "train.opponent_updates=2");
    tiny_set(&t, "train.learners=0");
    EXPECT(r, go_in(r, &t, false) == ERR_OK);
    EXPECT(r, tiny_same("alternating", t.digest, tiny_golden("alternating")));
}

/* From the checkpoint of update 3 of 5, by other learners. A rollout that runs ahead is another
 * algorithm: the same bits for whoever learns, but others than without. */
static void test_resume(struct ranks *r)
{
    for (int ahead = 0; ahead < 2; ahead++) {
        const char *pipeline = ahead == 1 ? "train.pipeline=1" : "train.pipeline=0";
        struct tiny_run t = run("train.opponent=together", pipeline);
        tiny_set(&t, "train.checkpoint_every=3");
        tiny_set(&t, "train.learners=0");
        EXPECT(r, go_in(r, &t, false) == ERR_OK);
        const uint64_t whole = t.digest;
        EXPECT(r, ahead == 0 ? tiny_same("whole", whole, tiny_golden("together"))
                             : whole != tiny_golden("together"));
        t = run("train.opponent=together", pipeline);
        tiny_set(&t, r->c.size > 1 ? "train.learners=1" : "train.learners=0");
        EXPECT(r, go_in(r, &t, true) == ERR_OK);
        EXPECT(r, tiny_same("resumed", t.digest, whole));
    }
}

/* The policy of an attacker, kept outside of the run directory that the next training clears. */
static void keep_policy(struct ranks *r, const struct tiny_run *t, char *path, size_t n)
{
    char command[1400];
    snprintf(path, n, "%s.bin", t->dir);
    snprintf(command, sizeof command, "cp '%s/policy/attacker.bin' '%s'", t->dir, path);
    EXPECT(r, r->c.rank != 0 || system(command) == 0);
    EXPECT(r, comm_barrier(&r->c) == ERR_OK);
}

static void test_fixed(struct ranks *r)
{
    char kept[600], set[700];
    struct tiny_run t = run("train.opponent=together", "train.learners=0");
    EXPECT(r, go_in(r, &t, false) == ERR_OK);
    if (r->c.rank == 0) {
        const double defenders = run_last_metric(t.dir, "step_reward");
        const double attacker = run_last_metric(t.dir, "attacker.step_reward");
        EXPECT(r, fabs(defenders + attacker) < 1e-5 && defenders > 0.0);
        EXPECT(r, run_last_metric(t.dir, "attacker.requests_spent") > 0.0);
        EXPECT(r, run_last_metric(t.dir, "attacker.requests_spent") <= 1.0);
    }
    keep_policy(r, &t, kept, sizeof kept);
    snprintf(set, sizeof set, "attacker.policy=%s", kept);
    uint64_t first = 0;
    for (int learners = 0; learners < (r->c.size > 1 ? 2 : 1); learners++) {
        t = run("train.opponent=fixed", set);
        tiny_set(&t, learners == 0 ? "train.learners=0" : "train.learners=1");
        EXPECT(r, go_in(r, &t, false) == ERR_OK);
        first = learners == 0 ? t.digest : first;
        EXPECT(r, tiny_same("fixed", t.digest, first));
    }
    if (r->c.rank == 0) {
        EXPECT(r, isnan(run_last_metric(t.dir, "attacker.kl"))); /* it does not learn */
        EXPECT(r, remove(kept) == 0);
    }
    run_remove(r, t.dir);
}

/* Half of the episodes with an attacker that was trained before, and half without one. */
static void test_population(struct ranks *r)
{
    char kept[600], set[700];
    struct tiny_run t = run("train.opponent=together", "train.learners=0");
    EXPECT(r, go_in(r, &t, false) == ERR_OK);
    const double attacked =
        r->c.rank == 0 ? run_last_metric(t.dir, "attacker.requests_spent") : 1.0;
    EXPECT(r, attacked > 0.0);
    keep_policy(r, &t, kept, sizeof kept);
    snprintf(set, sizeof set, "attacker.members=['%s', '']", kept);
    for (int learners = 0; learners < (r->c.size > 1 ? 2 : 1); learners++) {
        t = run("train.opponent=population", set);
        tiny_set(&t, learners == 0 ? "train.learners=0" : "train.learners=1");
        EXPECT(r, go_in(r, &t, false) == ERR_OK);
        EXPECT(r, tiny_same("population", t.digest, tiny_golden("population")));
        EXPECT(r, t.digest != tiny_golden("scratch"));
    }
    EXPECT(r, r->c.rank != 0 || remove(kept) == 0);
    run_remove(r, t.dir);
}

static const struct ranks_test tests[] = {
    {"an attacker: the committed digest, whoever learns", test_golden},
    {"by turns: the committed digest", test_alternating},
    {"resumed by other learners, ahead or not", test_resume},
    {"a fixed attacker", test_fixed},
    {"attackers of a population: the committed digest, whoever learns", test_population},
};

int main(int argc, char **argv)
{
    return ranks_main(argc, argv, tests, (int)(sizeof tests / sizeof *tests));
}
