/* Files and progress of a training run. See trainlog.h. */
#include "mpi/trainlog.h"

#include "core/base/clock.h"
#include "core/base/csv_read.h"
#include "core/base/file.h"
#include "core/base/log.h"
#include "core/game/conduct.h"
#include "core/plant/metrics.h"
#include "mpi/stop.h"
#include "proto/codec.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- opening ---- */

/* "a/b/c" -> "a/b" and "c". */
static enum err split_path(const char **root, const char **name, struct arena *arena,
                           const char *path)
{
    char *copy = arena_strdup(arena, path);
    if (copy == NULL) {
        return ERR_MEMORY;
    }
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

static enum err move_aside(struct arena *arena, const char *path, struct lock *lock)
{
    const char *marker = arena_printf(arena, "%s/run.yaml", path);
    if (marker == NULL) {
        return ERR_MEMORY;
    }
    if (!file_exists(marker)) {
        return ERR_OK;
    }
    for (int i = 1;; i++) {
        const char *aside = arena_printf(arena, "%s.%d", path, i);
        if (aside == NULL) {
            return ERR_MEMORY;
        }
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
    if (path == NULL) {
        return ERR_MEMORY;
    }
    return done >= 0 ? csv_resume(c, l->arena, path, columns, n, done)
                     : csv_create(c, l->arena, path, columns, n);
}

static enum err open_timing(struct trainlog *l, int done)
{
    static const char *const columns[TIMING_COLUMNS] = {"update",     "seconds",        "rollout_s",
                                                        "learn_s",    "checkpoint_s",   "wait_s",
                                                        "sent_bytes", "env_steps_per_s"};
    double *seconds = ARENA_NEW(l->arena, done > 0 ? done : 0, double);
    int n;
    TRY(open_rows(&l->timing, l, "timing.csv", columns, TIMING_COLUMNS, done));
    if (done > 0) {
        if (seconds == NULL) {
            return ERR_MEMORY;
        }
        TRY(csv_read_column(seconds, &n, done, l->timing.path, TIMING_SECONDS, TIMING_COLUMNS));
        l->before_s = n == done ? seconds[n - 1] : 0.0;
    }
    return ERR_OK;
}

static enum err open_csv(struct trainlog *l, int done)
{
    static const char *const learning[] = {"policy_loss", "value_loss",         "entropy",
                                           "kl",          "clip_fraction",      "ratio_max_dev",
                                           "grad_norm",   "explained_variance", "lr"};
    const struct env_spec *spec = l->team->spec;
    const int n_learning = (int)(sizeof learning / sizeof *learning);
    const int n = 4 + spec->n_stats + n_learning;
    const char **columns = ARENA_NEW(l->arena, n, const char *);
    if (columns == NULL) {
        return ERR_MEMORY;
    }
    int c = 0;
    columns[c++] = "update";
    columns[c++] = "env_steps";
    columns[c++] = "episodes";
    columns[c++] = "step_reward";
    for (int i = 0; i < spec->n_stats; i++) {
        columns[c++] = spec->stat_names[i];
    }
    for (int i = 0; i < n_learning; i++) {
        columns[c++] = learning[i];
    }
    TRY(open_rows(&l->metrics, l, "metrics.csv", columns, n, done));
    return open_timing(l, done);
}

/* What a process that was killed left half written. */
static enum err tidy(const struct trainlog *l)
{
    static const char *const parts[] = {"", "checkpoints", "policy"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        const char *dir = rundir_path(&l->dir, l->arena, parts[i]);
        if (dir == NULL) {
            return ERR_MEMORY;
        }
        TRY(file_remove_temporaries(dir));
    }
    return ERR_OK;
}

static enum err open_dir(struct trainlog *l, int done)
{
    const char *root;
    const char *name;
    char more[128];
    TRY(split_path(&root, &name, l->arena, l->setup->run_dir));
    if (done >= 0) {
        TRY(rundir_open(&l->dir, l->arena, root, name));
        TRY(tidy(l));
    } else {
        TRY(move_aside(l->arena, l->setup->run_dir, l->setup->lock));
        TRY(rundir_create(&l->dir, l->arena, root, name));
    }
    if (l->setup->train->pipeline > 0) {
        log_info("train.pipeline 1: rollouts act with weights one update old; another algorithm, "
                 "with another digest, than pipeline 0");
    }
    TRY(rundir_put(&l->dir, "run.yaml", l->setup->config));
    snprintf(more, sizeof more, "mpi: %s\n", comm_library());
    TRY(rundir_put_machine(&l->dir, l->comm->size, more));
    TRY(open_csv(l, done));
    return done >= 0 ? rundir_status(&l->dir, "running update %d of %d (resumed)", done,
                                     l->setup->train->updates)
                     : rundir_status(&l->dir, "starting");
}

enum err trainlog_open(struct trainlog *l, struct arena *arena, struct comm *comm,
                       const struct train_setup *setup, const struct team *team, int done)
{
    l->active = comm->rank == 0;
    l->done = done > 0 ? done : 0;
    l->setup = setup;
    l->team = team;
    l->comm = comm;
    l->arena = arena;
    l->metrics.fd = l->timing.fd = -1;
    l->episodes = ARENA_NEW(arena, team->spec->n_stats + 1, float);
    l->started_s = l->last_s = clock_s();
    if (l->episodes == NULL) {
        return ERR_MEMORY;
    }
    return l->active ? open_dir(l, done) : ERR_OK;
}

/* ---- during the run ---- */

void trainlog_phase(struct trainlog *l, const char *what, int steps, int done)
{
    l->step = (uint64_t)done;
    if (l->active) {
        progress_end(&l->progress);
        progress_begin(&l->progress, (uint64_t)steps, what);
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

static enum err put_metrics(struct trainlog *l, int u)
{
    const struct mappo_stats *s = &l->stats;
    const int n_stats = l->team->spec->n_stats;
    const double n = (double)l->episodes[n_stats];
    csv_int(&l->metrics, u);
    csv_int(&l->metrics, (int64_t)env_steps(l, u));
    csv_int(&l->metrics, (int64_t)n);
    csv_num(&l->metrics, s->reward);
    for (int i = 0; i < n_stats; i++) {
        csv_num(&l->metrics, (double)l->episodes[i] / n); /* 0 / 0: no episode ended */
    }
    csv_num(&l->metrics, s->policy_loss);
    csv_num(&l->metrics, s->value_loss);
    csv_num(&l->metrics, s->entropy);
    csv_num(&l->metrics, s->kl);
    csv_num(&l->metrics, s->clip_fraction);
    csv_num(&l->metrics, s->ratio_max_dev);
    csv_num(&l->metrics, s->grad_norm);
    csv_num(&l->metrics, s->explained_variance);
    csv_num(&l->metrics, s->lr);
    return csv_end_row(&l->metrics);
}

/* The learner recomputes what a worker computed: in the first slice of an update the weights are
 * still the worker's, so every probability is the same, bit by bit, or something is wrong with the
 * rebuilt observations, the masks or the arithmetic. OpenBLAS makes no such promise, and in a
 * pipeline the learner is one update ahead of the worker. */
static enum err check_ratios(const struct trainlog *l, int u)
{
    if (l->stats.ratio_max_dev == 0 || l->team->cfg->gemm != GEMM_FIXED ||
        l->setup->train->pipeline > 0) {
        return ERR_OK;
    }
    log_error("update %d: before the first step, the learner's probabilities differ from the "
              "workers' (ratio_max_dev %g in metrics.csv, must be 0); build the program anew on "
              "every host, and report this line if that does not help",
              u, l->stats.ratio_max_dev);
    return ERR_NUMERIC;
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

/* "  inside 93 %": choices that roles allow, of those where there was something to choose; ""
 * without an organisation, or when no episode ended. */
static const char *progress_inside(char text[32], const struct trainlog *l)
{
    const struct guides *g = l->setup->rules->guides;
    double open = 0.0, inside = 0.0;
    for (int a = 0; g != NULL && a < g->n_agents; a++) {
        const float *values = l->episodes + RULES_CONDUCT + a * CONDUCT_TRAINED;
        open += (double)values[offsetof(struct conduct_values, open) / sizeof(double)];
        inside += (double)values[offsetof(struct conduct_values, inside) / sizeof(double)];
    }
    text[0] = '\0';
    if (open > 0.0) {
        (void)snprintf(text, 32, "  inside %.0f %%", 100.0 * inside / open);
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

static void watch_entropy(struct trainlog *l, int u)
{
    const int agent = l->stats.entropy_agent;
    const bool collapsed = agent >= 0 && l->stats.entropy_least < COLLAPSED_NATS;
    if (!collapsed) {
        l->collapsed_at = 0;
    } else if (l->collapsed_at == 0) {
        l->collapsed_at = u;
        l->collapsed_agent = agent;
        log_warn("update %d: the choices of agent '%s' have collapsed (entropy %.4f, below %g): it "
                 "makes one choice with near certainty and learns little more. If this is early, "
                 "the step is too large (mappo.lr %g) or mappo.entropy (%g) too small",
                 u, l->team->spec->agent_names[agent], l->stats.entropy_least, COLLAPSED_NATS,
                 l->stats.lr, l->setup->mappo->entropy);
    }
}

/* "; agent 'cart' collapsed since update 3", or nothing. */
static const char *collapse_note(char text[160], const struct trainlog *l)
{
    text[0] = '\0';
    if (l->collapsed_at > 0) {
        (void)snprintf(text, 160, "; agent '%s' collapsed since update %d",
                       l->team->spec->agent_names[l->collapsed_agent], l->collapsed_at);
    }
    return text;
}

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
    TRY(rundir_status(&l->dir, "running update %d of %d", u, l->setup->train->updates));
    char steps[32], inside[32];
    progress_at(&l->progress, l->step, "%s env-steps/s  reward %.3f  entropy %.2f%s",
                progress_count(steps, sizeof steps, (uint64_t)rate), l->stats.reward,
                l->stats.entropy, progress_inside(inside, l));
    watch_entropy(l, u);
    l->time = (struct train_time){0};
    l->waited_s = l->comm->wait_seconds;
    return check_ratios(l, u);
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

enum err trainlog_finish(struct trainlog *l, bool stopped)
{
    if (!l->active) {
        return ERR_OK;
    }
    progress_end(&l->progress);
    TRY(confirm(l));
    CHECK(team_find_not_finite(l->team) < 0); /* mappo_update() returned ERR_NUMERIC before */
    const struct policy_meta meta = {.seed = l->setup->train->seed,
                                     .digest = team_digest(l->team),
                                     .config = l->setup->config,
                                     .features = l->setup->features};
    struct buf b;
    buf_init(&b);
    const char *path = rundir_path(&l->dir, l->arena, "policy/weights.bin");
    enum err e = path == NULL ? ERR_MEMORY : codec_put_policy(&b, l->team, &meta);
    if (e == ERR_OK) {
        e = file_write(path, b.data, b.len);
    }
    buf_release(&b);
    TRY(e);
    log_info("policy written to %s", path);
    char note[160];
    if (collapse_note(note, l)[0] != '\0') {
        log_warn("agent '%s' has made one choice with near certainty since update %d of %d; unless "
                 "that is wanted, train anew with a smaller step: --restart --set mappo.lr=%g",
                 l->team->spec->agent_names[l->collapsed_agent], l->collapsed_at,
                 l->setup->train->updates, l->setup->mappo->lr / 10);
    }
    if (stopped) {
        log_info("stopped on request after update %" PRIu64 " of %d; to go on: %s", l->step,
                 l->setup->train->updates, stop_command());
        return rundir_status(&l->dir, "stopped after update %" PRIu64 " of %d%s", l->step,
                             l->setup->train->updates, note);
    }
    return rundir_status(&l->dir, "done%s", note);
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

static void tell_fault(const struct trainlog *l, const char *fault)
{
    const double lr = l->setup->mappo->lr;
    log_error(
        "update %d of %d: %s is not finite (NaN or infinity); the training ends and no policy "
        "is written. The checkpoints from before are intact, but going on from them ends here "
        "again: train anew with a smaller step, --restart --set mappo.lr=%g (it is %g)",
        l->done + 1, l->setup->train->updates, fault, lr / 10, lr);
}

void trainlog_fail(struct trainlog *l, enum err why, const char *fault)
{
    if (!l->active || l->dir.path == NULL) {
        return;
    }
    progress_end(&l->progress);
    enum err e = ERR_OK;
    if (fault[0] != '\0') {
        tell_fault(l, fault);
        e = rundir_status(&l->dir, "failed after update %d: %s is not finite", l->done, fault);
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
