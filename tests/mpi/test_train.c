/* What may change the weights and what may not, and trainings that fail: nobody waits for ever.
 * RUN: np=1,4
 *
 * This program is core/game/game.c with one function put around: every tile of environments is
 * meddled with before the trainer gets it. (The linker leaves the library's game.o alone.)
 */
#define game_new_teams game_new_untouched
#include "core/game/game.c"
#undef game_new_teams

#include "tests/mpi/tiny.h"

#include <unistd.h>

#include <math.h>

/* ---- environments that make trouble ---- */

enum { BAD_ENV = 37 };

/* What to do to environment `env` (-1: nothing) in its episode number `episode`. */
struct trouble {
    int env;
    uint32_t episode;
    bool other_episode; /* it plays the episode after that one */
    bool fails;         /* the reset of that episode fails */
    bool nan_reward;    /* its reward is not a number */
};

/* Of the run under way; environments have no room for a test's context. */
static struct trouble trouble;
static const struct env_ops *real_ops;
static struct env_ops meddled_ops;
static const struct env *nan_env;
static bool met; /* this rank simulates that environment and has come to that episode */

static enum err meddled_reset(struct env *e, int lid, uint32_t gid, uint32_t episode, int steps)
{
    const struct trouble *t = &trouble;
    if ((int)gid == t->env && episode == t->episode) {
        met = true;
        if (t->fails) {
            log_error("environment %d fails as this test asks", t->env);
            return ERR_FAILED;
        }
        episode += t->other_episode;
        nan_env = t->nan_reward ? e : nan_env;
    }
    return real_ops->reset(e, lid, gid, episode, steps);
}

static enum err meddled_step(struct env *e, const int32_t *const *action, float *const *reward,
                             uint8_t *flag)
{
    TRY(real_ops->step(e, action, reward, flag));
    if (e == nan_env) {
        reward[0][0] = NAN;
    }
    return ERR_OK;
}

enum err game_new_teams(struct env **out, struct arena *arena, const struct game_teams *teams,
                        int n_env, uint64_t seed, const struct demonstrator *demo);

enum err game_new_teams(struct env **out, struct arena *arena, const struct game_teams *teams,
                        int n_env, uint64_t seed, const struct demonstrator *demo)
{
    TRY(game_new_untouched(out, arena, teams, n_env, seed, demo));
    real_ops = (*out)->ops;
    meddled_ops = *real_ops;
    meddled_ops.reset = meddled_reset;
    meddled_ops.step = meddled_step;
    (*out)->ops = &meddled_ops;
    return ERR_OK;
}

static void make_trouble(struct experiment *x, void *ctx)
{
    (void)x;
    const struct trouble none = {.env = -1};
    trouble = ctx != NULL ? *(struct trouble *)ctx : none;
    nan_env = NULL;
    met = false;
}

/* Errors logged by this rank. */
static void count_errors(void *ctx, enum log_level level, const char *line)
{
    (void)line;
    *(int *)ctx += level == LOG_ERROR;
}

static struct tiny_run whole(struct trouble *trouble_or_null)
{
    return (struct tiny_run){.change = make_trouble, .ctx = trouble_or_null};
}

static struct tiny_run shorter(struct trouble *trouble_or_null)
{
    struct tiny_run t = whole(trouble_or_null);
    tiny_set(&t, "train.updates=1");
    return t;
}

/* ---- what may not change them ---- */

static void test_golden(struct ranks *r)
{
    struct tiny_run t = whole(NULL);
    EXPECT(r, tiny_go(r, &t) == ERR_OK);
    EXPECT(r, tiny_same("scratch", t.digest, tiny_golden("scratch")));
    tiny_set(&t, "train.init=clone");
    EXPECT(r, tiny_go(r, &t) == ERR_OK);
    EXPECT(r, tiny_same("clone", t.digest, tiny_golden("clone")));
    struct tiny_run ahead = whole(NULL);
    tiny_set(&ahead, "train.pipeline=1");
    EXPECT(r, tiny_go(r, &ahead) == ERR_OK);
    EXPECT(r, tiny_same("pipeline", ahead.digest, tiny_golden("pipeline")));
    const char *const learners[] = {"train.learners=0", "train.learners=3"};
    for (int i = 0; i < (r->c.size > 1 ? 2 : 0); i++) {
        struct tiny_run shared = whole(NULL);
        tiny_set(&shared, "train.pipeline=1");
        tiny_set(&shared, learners[i]);
        EXPECT(r, tiny_go(r, &shared) == ERR_OK);
        EXPECT(r, tiny_same(learners[i], shared.digest, ahead.digest));
    }
}

enum { N_OTHER = 4 };

/* Another value that a row may have, as text; false when there is no i-th one. */
static bool other_value(char *text, size_t n, const struct cfg_field *f, int i)
{
    const char *const truth[] = {"true", "false"};
    const double def = strtod(f->def, NULL);
    const double numbers[N_OTHER] = {f->min, def + 2, def * 4, f->max};
    switch (f->type) {
    case CFG_TYPE_BOOL:
        snprintf(text, n, "%s", truth[i % 2]);
        return i < 2;
    case CFG_TYPE_ENUM:
        for (int k = 0; k <= i; k++) {
            if (f->choices[k].name == NULL) {
                return false;
            }
        }
        snprintf(text, n, "%s", f->choices[i].name);
        return true;
    case CFG_TYPE_INT:
    case CFG_TYPE_INT64:
    case CFG_TYPE_DOUBLE:
        /* The greatest value is of no use where it only keeps memory finite. */
        snprintf(text, n, "%.15g", numbers[i]);
        return numbers[i] >= f->min && numbers[i] <= f->max && numbers[i] < 1000;
    default:
        return false;
    }
}

/* Trains with each other value of one row. Values that do not fit the number of ranks are refused
 * by the configuration; at least one must not be. */
static void change_row(struct ranks *r, const char *key, const struct cfg_field *f, uint64_t want)
{
    char text[64], set[512];
    int n_changed = 0;
    for (int i = 0; i < N_OTHER; i++) {
        if (!other_value(text, sizeof text, f, i) || strcmp(text, f->def) == 0) {
            continue;
        }
        struct tiny_run t = shorter(NULL);
        snprintf(set, sizeof set, "%s=%s", key, text);
        tiny_set(&t, set);
        const enum err e = tiny_go(r, &t);
        EXPECT(r, e == ERR_OK || e == ERR_CONFIG);
        EXPECT(r, e != ERR_OK || tiny_same(set, t.digest, want));
        n_changed += e == ERR_OK;
    }
    EXPECT(r, n_changed > 0);
}

/* Every row of the tables that says of itself that it changes speed only. */
static int change_speed_rows(struct ranks *r, const struct cfg_field *rows, const char *prefix,
                             uint64_t want)
{
    int n = 0;
    for (const struct cfg_field *f = rows; f->name != NULL; f++) {
        char key[256];
        snprintf(key, sizeof key, "%s%s%s", prefix, prefix[0] != '\0' ? "." : "", f->name);
        if (f->type == CFG_TYPE_TABLE) {
            n += change_speed_rows(r, f->table, key, want);
        } else if (f->effect == CFG_SPEED) {
            change_row(r, key, f, want);
            n++;
        }
    }
    return n;
}

static void test_speed_rows(struct ranks *r)
{
    struct tiny_run t = shorter(NULL);
    EXPECT(r, tiny_go(r, &t) == ERR_OK);
    EXPECT(r, change_speed_rows(r, experiment_fields, "", t.digest) >= 2);
    const char *const blocks[] = {"team.row_block=64", "team.row_block=256"};
    for (int i = 0; i < 2; i++) {
        struct tiny_run blocked = shorter(NULL);
        tiny_set(&blocked, blocks[i]);
        EXPECT(r, tiny_go(r, &blocked) == ERR_OK);
        EXPECT(r, tiny_same(blocks[i], blocked.digest, t.digest));
    }
}

/* ---- what must change them ---- */

static uint64_t digest_with(struct ranks *r, struct trouble what)
{
    struct tiny_run t = shorter(&what);
    EXPECT(r, tiny_go(r, &t) == ERR_OK);
    return t.digest;
}

/* One environment of 80 plays another episode; then one that nobody comes to. */
static void test_one_tile(struct ranks *r)
{
    const struct trouble none = {.env = -1};
    const struct trouble near = {.env = BAD_ENV, .episode = 1, .other_episode = true};
    const struct trouble far = {.env = BAD_ENV, .episode = 999, .other_episode = true};
    const uint64_t digest = digest_with(r, none);
    EXPECT(r, digest_with(r, near) != digest);
    EXPECT(r, digest_with(r, far) == digest);
}

/* ---- trainings that fail ---- */

static bool status_says(const struct ranks *r, const struct tiny_run *t, const char *word)
{
    char path[600], line[256] = "";
    snprintf(path, sizeof path, "%s/status", t->dir);
    FILE *f = r->c.rank == 0 ? fopen(path, "r") : NULL;
    if (f != NULL) {
        if (fgets(line, sizeof line, f) == NULL) {
            line[0] = '\0';
        }
        fclose(f);
    }
    return r->c.rank != 0 || strstr(line, word) != NULL;
}

/* The rank with the environment complains, once; all leave with its error. */
static void test_failing_environment(struct ranks *r)
{
    const char *const learners[] = {"train.learners=0", "train.learners=1", "train.learners=3"};
    for (int i = 0; i < (r->c.size > 1 ? 3 : 1); i++) {
        int n_errors = 0;
        struct trouble fails = {.env = BAD_ENV, .episode = 1, .fails = true};
        struct tiny_run t = shorter(&fails);
        tiny_set(&t, learners[i]);
        log_set_sink(count_errors, &n_errors);
        EXPECT(r, tiny_go(r, &t) == ERR_FAILED);
        log_set_sink(ranks_keep_line, r);
        EXPECT(r, n_errors == (met ? 1 : 0));
        EXPECT(r, status_says(r, &t, "failed"));
    }
}

static void test_nan(struct ranks *r)
{
    struct trouble nan_reward = {.env = BAD_ENV, .episode = 1, .nan_reward = true};
    struct tiny_run t = shorter(&nan_reward);
    tiny_set(&t, r->c.size > 1 ? "train.learners=3" : "train.learners=1");
    char policy[600];
    EXPECT(r, tiny_go(r, &t) == ERR_NUMERIC);
    EXPECT(r, status_says(r, &t, "failed after update "));
    EXPECT(r, status_says(r, &t, " of agent '") && status_says(r, &t, "' is not finite"));
    snprintf(policy, sizeof policy, "%s/policy/weights.bin", t.dir);
    EXPECT(r, access(policy, F_OK) != 0);
}

/* Observations that are no function of the row: every one differs a little from the last. */
static void (*pure_obs)(const void *ctx, float *obs, int agent, const float *global_state);

static void drifting_obs(const void *ctx, float *obs, int agent, const float *global_state)
{
    static float drift;
    drift += 1e-3F;
    pure_obs(ctx, obs, agent, global_state);
    obs[0] += drift;
}

static void make_drift(struct experiment *x, void *ctx)
{
    make_trouble(x, ctx);
    pure_obs = x->rules.spec.obs;
    x->rules.spec.obs = drifting_obs;
}

static void test_ratio(struct ranks *r)
{
    struct tiny_run t = shorter(NULL);
    t.change = make_drift;
    EXPECT(r, tiny_go(r, &t) == ERR_NUMERIC);
    EXPECT(r, r->c.rank != 0 || strstr(r->logged, "ratio_max_dev") != NULL);
}

/* The last rank runs out of memory at one allocation after another, or at one piece of an arena:
 * everybody leaves. */
static void test_memory_by(struct ranks *r, uint64_t tries, uint64_t (*count)(void),
                           void (*fail)(uint64_t n))
{
    struct tiny_run t = whole(NULL);
    tiny_set(&t, "train.updates=1");
    tiny_set(&t, "train.steps=1");
    tiny_set(&t, "game.horizon=16");
    const bool last = r->c.rank == r->c.size - 1;
    const uint64_t before = count();
    EXPECT(r, tiny_go(r, &t) == ERR_OK);
    const uint64_t n = count() - before, digest = t.digest;
    uint64_t n_failed = 0;
    for (uint64_t i = 0; i < tries; i++) {
        fail(last ? 1 + i * n / tries : 0);
        const enum err e = tiny_go(r, &t);
        fail(0);
        EXPECT(r, e != ERR_OK || t.digest == digest);
        n_failed += e != ERR_OK;
    }
    EXPECT(r, !last || n_failed > tries / 2);
    EXPECT(r, tiny_go(r, &t) == ERR_OK && t.digest == digest);
}

static void test_memory(struct ranks *r)
{
    test_memory_by(r, 40, mem_calls, mem_fail_after);
}

static void test_pieces(struct ranks *r)
{
    test_memory_by(r, 10, mem_pieces, mem_fail_piece);
}

static const struct ranks_test tests[] = {
    {"the committed digest", test_golden},
    {"rows that change speed only", test_speed_rows},
    {"one environment plays another episode", test_one_tile},
    {"a failing environment ends all ranks", test_failing_environment},
    {"a reward that is not a number ends all ranks", test_nan},
    {"a probability ratio other than 1 ends all ranks", test_ratio},
    {"a rank without memory ends all ranks", test_memory},
    {"a rank whose arena is exhausted ends all ranks", test_pieces},
};

int main(int argc, char **argv)
{
    return ranks_main(argc, argv, tests, (int)(sizeof tests / sizeof *tests));
}
