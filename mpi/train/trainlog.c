/* Files and progress of a training run. See trainlog.h. */
#include "mpi/train/trainlog.h"

#include "core/base/clock.h"
#include "core/base/csv_read.h"
#include "core/base/file.h"
#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/marl/rollout.h"
#include "mpi/comm/stop.h"
#include "proto/weights.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- opening ---- */

/* "a/b/c" -> "a/b" and "c". Slashes at the end do not count. "c" is "." and "c", "/c" is
 * "/" and "c". */
static enum err split_path(const char **root, const char **name, struct arena *arena,
                           const char *path)
{
    char *copy = arena_strdup(arena, path);
    TRY(arena_error(arena));
    size_t n = strlen(copy);
    while (n > 1 && copy[n - 1] == '/') {
        copy[--n] = '\0';
    }
    char *slash = strrchr(copy, '/');
    *name = slash == NULL ? copy : slash + 1;
    *root = slash == NULL ? "." : slash == copy ? "/" : copy;
    if (slash != NULL) {
        *slash = '\0';
    }
    return ERR_OK;
}

/* A locked directory goes with its lock, and the new one gets a lock: see lock_move_aside(). */
static enum err rename_dir(const char *from, const char *to, struct lock *lock)
{
    if (lock != NULL) {
        return lock_move_aside(lock, from, to);
    }
    if (rename(from, to) != 0) {
        log_error("%s: cannot be moved to %s: %s", from, to, strerror(errno));
        return ERR_IO;
    }
    return ERR_OK;
}

/* A directory without run.yaml holds no run and is used as it is. The first number that is
 * free is taken. */
static enum err move_aside(struct arena *arena, const char *path, struct lock *lock)
{
    const char *marker = arena_printf(arena, "%s/run.yaml", path);
    TRY(arena_error(arena));
    if (!file_exists(marker)) {
        return ERR_OK;
    }
    for (int i = 1;; i++) {
        const char *aside = arena_printf(arena, "%s.%d", path, i);
        TRY(arena_error(arena));
        if (!file_exists(aside)) {
            TRY(rename_dir(path, aside, lock));
            log_info("%s held an earlier run: moved to %s", path, aside);
            return ERR_OK;
        }
    }
}

/* A new file, or an old one with the rows of `done` updates. */
static enum err open_rows(struct csv *c, struct trainlog *l, const char *file,
                          const char *const *columns, int n, int done)
{
    const char *path = rundir_path(&l->dir, l->arena, file);
    TRY(arena_error(l->arena));
    return done >= 0 ? csv_resume(c, l->arena, path, columns, n, done)
                     : csv_create(c, l->arena, path, columns, n);
}

/* A resumed run counts its seconds on from those in the row of update `done`. */
static enum err open_timing(struct trainlog *l, int done)
{
    static const char *const columns[TIMING_COLUMNS] = {"update",     "seconds",        "rollout_s",
                                                        "learn_s",    "checkpoint_s",   "wait_s",
                                                        "sent_bytes", "env_steps_per_s"};
    double *seconds = ARENA_NEW(l->arena, done > 0 ? done : 0, double);
    int n;
    TRY(open_rows(&l->timing, l, "timing.csv", columns, TIMING_COLUMNS, done));
    if (done > 0) {
        TRY(arena_error(l->arena));
        TRY(csv_read_column(seconds, &n, done, l->timing.path, TIMING_SECONDS, TIMING_COLUMNS));
        l->before_s = n == done ? seconds[n - 1] : 0.0;
    }
    return ERR_OK;
}

/* Columns of a team: its reward, and what its learner tells. */
static const char *team_column(struct trainlog *l, int team, const char *name)
{
    return team == 0 ? name : arena_printf(l->arena, "%s.%s", l->spec->teams[team]->name, name);
}

static int learning_columns(const char **columns, struct trainlog *l, int team)
{
    const struct learner_ops *ops = l->learners[team]->ops;
    int c = 0;
    for (int i = 0; i < ops->n_columns; i++) {
        columns[c++] = team_column(l, team, ops->columns[i]);
    }
    return c;
}

static enum err open_csv(struct trainlog *l, int done)
{
    const struct env_spec *spec = l->spec;
    const int most = 3 + spec->n_stats + spec->n_teams * (1 + LEARNER_COLUMNS_MAX);
    const char **columns = ARENA_NEW(l->arena, most, const char *);
    TRY(arena_error(l->arena));
    int n = 0;
    columns[n++] = "update";
    columns[n++] = "env_steps";
    columns[n++] = "episodes";
    columns[n++] = "step_reward";
    for (int i = 0; i < spec->n_stats; i++) {
        columns[n++] = spec->stat_names[i];
    }
    n += learning_columns(columns + n, l, 0);
    for (int k = 1; k < spec->n_teams; k++) {
        columns[n++] = team_column(l, k, "step_reward");
        n += learning_columns(columns + n, l, k);
    }
    TRY(arena_error(l->arena));
    TRY(open_rows(&l->metrics, l, "metrics.csv", columns, n, done));
    return open_timing(l, done);
}

/* What a process that was killed left half written. In the three folders into which files are
 * written under a temporary name. */
static enum err tidy(const struct trainlog *l)
{
    static const char *const parts[] = {"", "checkpoints", "policy"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        const char *dir = rundir_path(&l->dir, l->arena, parts[i]);
        TRY(arena_error(l->arena));
        TRY(file_remove_temporaries(dir, 0));
    }
    return ERR_OK;
}

/* Episodes that one environment, or one group, begins in `steps` decisions, the first of which has
 * `first` (0: the horizon). */
static int64_t count_episodes(int64_t steps, int64_t first, int64_t horizon)
{
    const int64_t cut = first > 0 && first < horizon ? first : horizon;
    return steps > cut ? 2 + (steps - cut - 1) / horizon : 1;
}

/* Decisions of an environment in stage k; what precedes the updates belongs to the first. */
static int64_t steps_of_stage(const struct train_setup *s, int k)
{
    const struct train_cfg *t = s->train;
    const int begin = k == 0 ? 0 : s->later[k - 1].after;
    const int end = k == s->n_later ? t->updates : s->later[k].after;
    const int before = k == 0 ? train_rollouts(t) - t->updates : 0;
    return (int64_t)(end - begin + before) * t->steps;
}

/* Members of a group play the same episodes, so a run has as many different ones as its groups
 * begin. A stage begins new ones. */
static void tell_episodes(const struct trainlog *l)
{
    const struct train_cfg *t = l->setup->train;
    const int group = env_group(l->spec), n_groups = t->envs / group;
    const int horizon = l->setup->envs->horizon;
    int64_t n = 0;
    for (int g = 0; g < n_groups; g++) {
        const int first =
            rollout_first_steps((uint32_t)(g * group), t->stagger ? horizon : 0, t->envs, group);
        for (int k = 0; k <= l->setup->n_later; k++) {
            n += count_episodes(steps_of_stage(l->setup, k), first, horizon);
        }
    }
    log_info("train.group %d: %d environments play %d distinct episodes at a time, %" PRId64
             " in the whole training",
             group, t->envs, n_groups, n);
}

static enum err open_dir(struct trainlog *l, int done)
{
    const char *root;
    const char *name;
    char more[128];
    TRY(split_path(&root, &name, l->arena, l->setup->run_dir));
    if (done >= 0) {
        TRY(rundir_open(&l->dir, l->arena, root, name));
    } else {
        TRY(move_aside(l->arena, l->setup->run_dir, l->setup->lock));
        TRY(rundir_create(&l->dir, l->arena, root, name));
    }
    TRY(tidy(l)); /* a run that was killed before it had a run.yaml is no run, but left files */
    if (l->setup->train->pipeline > 0) {
        log_info("train.pipeline 1: rollouts act with weights one update old; another algorithm, "
                 "with another digest, than pipeline 0");
    }
    tell_episodes(l);
    TRY(rundir_put(&l->dir, "run.yaml", l->setup->config));
    snprintf(more, sizeof more, "mpi: %s\n", comm_library());
    TRY(rundir_put_machine(&l->dir, l->comm->size, more));
    TRY(open_csv(l, done));
    return done >= 0 ? rundir_status(&l->dir, "running update %d of %d (resumed)", done,
                                     l->setup->train->updates)
                     : rundir_status(&l->dir, "starting");
}

enum err trainlog_open(struct trainlog *l, struct arena *arena, struct comm *comm,
                       const struct train_setup *setup, struct learner *const *learners, int done)
{
    l->active = comm->rank == 0;
    l->done = done > 0 ? done : 0;
    l->setup = setup;
    l->spec = setup->envs->spec;
    l->learners = learners;
    l->comm = comm;
    l->arena = arena;
    l->metrics.fd = l->timing.fd = -1;
    l->episodes = ARENA_NEW(arena, block_n_stats(l->spec, 0) + 1, float);
    l->started_s = l->last_s = clock_s();
    TRY(arena_error(arena));
    return l->active ? open_dir(l, done) : ERR_OK;
}

/* ---- during the run ---- */

void trainlog_phase(struct trainlog *l, const char *what, int steps, int done)
{
    l->step = (uint64_t)done;
    if (l->active) {
        progress_end(&l->progress);
        progress_begin(&l->progress, what, l->step, (uint64_t)steps);
        progress_at(&l->progress, l->step, "%s", "");
    }
}

void trainlog_step(struct trainlog *l)
{
    l->step++;
    if (l->active) {
        progress_at(&l->progress, l->step, "%s", "");
    }
}

static uint64_t env_steps(const struct trainlog *l, int updates)
{
    const struct train_cfg *t = l->setup->train;
    return (uint64_t)updates * (uint64_t)t->envs * (uint64_t)t->steps;
}

static void put_learning(struct trainlog *l, int team)
{
    for (int i = 0; i < l->learners[team]->ops->n_columns; i++) {
        csv_num(&l->metrics, l->stats[team].columns[i]);
    }
}

/* Of n_stats numbers, l->episodes holds the sums, then how many episodes have each number, then the
 * number of episodes. */
static enum err put_metrics(struct trainlog *l, int u)
{
    const int n_stats = l->spec->n_stats;
    const float *with = l->episodes + n_stats; /* episodes that have the number */
    csv_int(&l->metrics, u);
    csv_int(&l->metrics, (int64_t)env_steps(l, u));
    csv_int(&l->metrics, (int64_t)l->episodes[2 * n_stats]);
    csv_num(&l->metrics, l->stats[0].reward);
    for (int i = 0; i < n_stats; i++) {
        csv_num(&l->metrics, (double)l->episodes[i] / (double)with[i]); /* 0 / 0: none has it */
    }
    put_learning(l, 0);
    for (int k = 1; k < l->spec->n_teams; k++) {
        csv_num(&l->metrics, l->stats[k].reward);
        put_learning(l, k);
    }
    return csv_end_row(&l->metrics);
}

/* The learner recomputes what a worker computed: in the first minibatch of an update the weights
 * are still the worker's, so every probability is the same, bit by bit, or something is wrong with
 * the rebuilt observations, the masks or the arithmetic. In a pipeline the learner is one update
 * ahead of the worker. */
static enum err check_acted(const struct trainlog *l, int u)
{
    for (int k = 0; k < l->spec->n_teams && l->setup->train->pipeline == 0; k++) {
        if (l->stats[k].acted_dev == 0.0) {
            continue;
        }
        log_error("update %d: before the first step, the learner's probabilities differ from the "
                  "workers' (ratio_max_dev %g in metrics.csv, must be 0); build the program anew "
                  "on every host, and report this line if that does not help",
                  u, l->stats[k].acted_dev);
        return ERR_NUMERIC;
    }
    return ERR_OK;
}

static enum err put_timing(struct trainlog *l, int u, double rate)
{
    csv_int(&l->timing, u);
    csv_num(&l->timing, l->before_s + clock_s() - l->started_s);
    csv_num(&l->timing, l->time.rollout);
    csv_num(&l->timing, l->time.learn);
    csv_num(&l->timing, l->time.checkpoint);
    csv_num(&l->timing, l->comm->wait_seconds - l->waited_s);
    csv_int(&l->timing, (int64_t)l->comm->bytes_sent);
    csv_num(&l->timing, rate);
    return csv_end_row(&l->timing);
}

/* What the environments have to say of the episodes. */
static const char *progress_episodes(char text[SOURCE_TEXT], const struct trainlog *l)
{
    const struct env_source *envs = l->setup->envs;
    text[0] = '\0';
    if (envs->tell != NULL) {
        envs->tell(envs->ctx, text, l->episodes);
    }
    return text;
}

/* Is the directory still ours? */
static enum err confirm(const struct trainlog *l)
{
    return l->setup->lock != NULL ? lock_confirm(l->setup->lock) : ERR_OK;
}

/* An agent whose choices have next to no entropy does the same whatever it sees more, and explores
 * nothing: 0.05 nats are one choice with probability 0.99. */
#define COLLAPSED_NATS 0.05

static const char *collapsed_agent(const struct trainlog *l, int team)
{
    return l->spec->teams[team]->agent_names[l->collapsed_agent[team]];
}

/* collapsed_at is 0 or the first update of the present collapse, so each collapse is told once and
 * one that is over counts no more. */
static void watch_entropy(struct trainlog *l, int team, int u)
{
    const struct learn_stats *s = &l->stats[team];
    const bool collapsed = s->entropy_agent >= 0 && s->entropy_least < COLLAPSED_NATS;
    char advice[LEARNER_TEXT];
    if (!collapsed) {
        l->collapsed_at[team] = 0;
    } else if (l->collapsed_at[team] == 0) {
        l->collapsed_at[team] = u;
        l->collapsed_agent[team] = s->entropy_agent;
        log_warn("update %d: the choices of agent '%s' have collapsed (entropy %.4f, below %g): it "
                 "makes one choice with near certainty and learns little more. %s",
                 u, collapsed_agent(l, team), s->entropy_least, COLLAPSED_NATS,
                 learner_advice(l->learners[team], advice, LEARNER_COLLAPSES));
    }
}

static void watch_entropies(struct trainlog *l, int u)
{
    for (int k = 0; k < l->spec->n_teams; k++) {
        if (learner_learns(l->learners[k])) {
            watch_entropy(l, k, u);
        }
    }
}

/* "; agent 'cart' collapsed since update 3", or nothing; of the first team with such an agent. */
static const char *collapse_note(char text[160], const struct trainlog *l)
{
    text[0] = '\0';
    for (int k = 0; k < l->spec->n_teams && text[0] == '\0'; k++) {
        if (l->collapsed_at[k] > 0) {
            (void)snprintf(text, 160, "; agent '%s' collapsed since update %d",
                           collapsed_agent(l, k), l->collapsed_at[k]);
        }
    }
    return text;
}

static void warn_collapsed(const struct trainlog *l)
{
    char advice[LEARNER_TEXT];
    for (int k = 0; k < l->spec->n_teams; k++) {
        if (l->collapsed_at[k] > 0) {
            log_warn("agent '%s' has made one choice with near certainty since update %d of %d; "
                     "unless that is wanted, %s",
                     collapsed_agent(l, k), l->collapsed_at[k], l->setup->train->updates,
                     learner_advice(l->learners[k], advice, LEARNER_COLLAPSED));
        }
    }
}

/* The status is written with fsync(), while all other ranks wait: an update in the twin takes a few
 * milliseconds. A run that is stopped or loses a rank tells its last update anyway (stop.h). */
#define STATUS_S 0.25

/* The lock is confirmed before anything is written: a process that was suspended may have lost the
 * directory. The rows of both files and the status are not written as one; a resume cuts both files
 * to the update of its checkpoint, so a crash in between does no harm. */
enum err trainlog_update(struct trainlog *l, int u)
{
    l->step++;
    if (!l->active) {
        return ERR_OK;
    }
    TRY(confirm(l));
    const double now = clock_s();
    const double rate = (double)env_steps(l, 1) / (now - l->last_s);
    l->last_s = now;
    TRY(put_metrics(l, u));
    TRY(put_timing(l, u, rate));
    l->done = u;
    if (now >= l->told_s + STATUS_S) {
        TRY(rundir_status(&l->dir, "running update %d of %d", u, l->setup->train->updates));
        l->told_s = now;
    }
    char steps[32], episodes_text[SOURCE_TEXT];
    progress_at(&l->progress, l->step, "%s env-steps/s  reward %.3f  entropy %.2f%s",
                progress_count(steps, sizeof steps, (uint64_t)rate), l->stats[0].reward,
                l->stats[0].entropy, progress_episodes(episodes_text, l));
    watch_entropies(l, u);
    l->time = (struct train_time){0};
    l->waited_s = l->comm->wait_seconds;
    return check_acted(l, u);
}

void trainlog_restart_clock(struct trainlog *l)
{
    l->last_s = clock_s();
    l->waited_s = l->comm->wait_seconds;
}

enum err trainlog_sync(struct trainlog *l)
{
    if (!l->active) {
        return ERR_OK;
    }
    TRY(confirm(l));
    TRY(csv_sync(&l->metrics));
    return csv_sync(&l->timing);
}

/* ---- the end ---- */

/* Names of the columns of team k's rows: those of a further team may be numbered. */
static const char *const *column_names(struct trainlog *l, int k)
{
    const int n = l->spec->teams[k]->n_norm;
    if (k == 0 || l->setup->further_features[k] != NULL) {
        return k == 0 ? l->setup->features : l->setup->further_features[k];
    }
    const char **names = ARENA_NEW(l->arena, n, const char *);
    for (int i = 0; names != NULL && i < n; i++) {
        names[i] = arena_printf(l->arena, "column %d", i);
        if (names[i] == NULL) {
            return NULL;
        }
    }
    return names;
}

enum err trainlog_write_policy(const char *path, const struct train_setup *setup,
                               const struct learner *learner, const char *const *columns)
{
    const struct policy_meta meta = {.seed = setup->train->seed,
                                     .digest = weights_hash(HASH_START, learner->w),
                                     .config = setup->config,
                                     .features = columns};
    struct buf b;
    buf_init(&b);
    enum err e = codec_put_policy(&b, learner->w, learner->spec, &meta);
    if (e == ERR_OK) {
        e = file_write(path, b.data, b.len);
    }
    buf_release(&b);
    return e;
}

static enum err put_policy(struct trainlog *l, int k)
{
    const struct learner *learner = l->learners[k];
    const char *const *columns = column_names(l, k);
    const char *name = k == 0 ? "policy/weights.bin"
                              : arena_printf(l->arena, "policy/%s.bin", learner->spec->name);
    TRY(arena_error(l->arena));
    const char *path = rundir_path(&l->dir, l->arena, name);
    TRY(arena_error(l->arena));
    TRY(trainlog_write_policy(path, l->setup, learner, columns));
    log_info("policy written to %s", path);
    return ERR_OK;
}

/* The status comes last: "done" promises that the policies are there. */
enum err trainlog_finish(struct trainlog *l, bool stopped)
{
    if (!l->active) {
        return ERR_OK;
    }
    progress_end(&l->progress);
    TRY(confirm(l));
    for (int k = 0; k < l->spec->n_teams; k++) {
        CHECK(weights_finite(l->learners[k]->w)); /* learn() returned ERR_NUMERIC before */
        TRY(put_policy(l, k));
    }
    char note[160];
    collapse_note(note, l);
    warn_collapsed(l);
    if (stopped) {
        log_info("stopped on request after update %" PRIu64 " of %d; to go on: %s", l->step,
                 l->setup->train->updates, stop_command());
        return rundir_status(&l->dir, "stopped after update %" PRIu64 " of %d%s", l->step,
                             l->setup->train->updates, note);
    }
    return rundir_status(&l->dir, "done%s", note);
}

void trainlog_pause(struct trainlog *l)
{
    if (l->active) {
        progress_end(&l->progress);
    }
}

void trainlog_unprepared(struct trainlog *l)
{
    if (!l->active) {
        return;
    }
    progress_end(&l->progress);
    log_info("stopped on request before the first update; there is no checkpoint; to start anew: "
             "%s",
             stop_command());
    if (rundir_status(&l->dir, "stopped before the first update of %d", l->setup->train->updates) !=
        ERR_OK) {
        log_warn("%s: the status could not be written", l->dir.path);
    }
}

static void tell_fault(const struct trainlog *l, const struct learner *learner)
{
    char advice[LEARNER_TEXT];
    log_error(
        "update %d of %d: %s is not finite (NaN or infinity); the training ends and no policy "
        "is written. The checkpoints from before are intact, but going on from them ends "
        "here again: %s",
        l->done + 1, l->setup->train->updates, learner_fault(learner),
        learner_advice(learner, advice, LEARNER_NOT_FINITE));
}

/* The first learner with a number that is not finite, NULL if none has. */
static const struct learner *find_fault(const struct trainlog *l)
{
    for (int k = 0; k < l->spec->n_teams; k++) {
        if (learner_fault(l->learners[k])[0] != '\0') {
            return l->learners[k];
        }
    }
    return NULL;
}

void trainlog_fail(struct trainlog *l, enum err why)
{
    if (!l->active || l->dir.path == NULL) {
        return;
    }
    const struct learner *faulty = find_fault(l);
    progress_end(&l->progress);
    enum err e = ERR_OK;
    if (faulty != NULL) {
        tell_fault(l, faulty);
        e = rundir_status(&l->dir, "failed after update %d: %s is not finite", l->done,
                          learner_fault(faulty));
    } else {
        e = rundir_status(&l->dir, "failed after update %d: %s", l->done, err_text(why));
    }
    if (e != ERR_OK) {
        log_warn("%s: the status could not be written", l->dir.path);
    }
}

void trainlog_close(struct trainlog *l)
{
    csv_close(&l->metrics);
    csv_close(&l->timing);
}
