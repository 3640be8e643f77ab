/* What is known, what is left, and the farm in between. See eval_run.h.
 *
 * A job must be played if any part of its result is missing: its row in eval.csv, its frame in
 * trajectories.bin, its rows in org_metrics.csv. Each of the files remembers what it has by itself,
 * and a job that is played writes only where something is missing. So it does not matter between
 * which two writes a run was killed. */
#include "mpi/jobs/eval_run.h"

#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/log.h"
#include "mpi/comm/farm.h"
#include "mpi/comm/stop.h"
#include "mpi/jobs/cell_digest.h"
#include "mpi/jobs/decision_cpu.h"
#include "mpi/jobs/eval_config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- the grid ---- */

/* Training twice with one seed gives one policy; counting it twice would feign certainty. */
static enum err check_distinct(const struct eval_run *m, int c)
{
    const struct policy_source *sources = m->policies.sources[c];
    for (int a = 0; a < m->policies.teams[c].n_teams; a++) {
        for (int b = 0; b < a; b++) {
            if (sources[a].digest == sources[b].digest) {
                return cfg_error(&m->x->reader, eval_key_of(&m->x->cfg.eval, c).text,
                                 "the policies of %s and %s have the same weights (%016" PRIx64
                                 "); name each once",
                                 sources[b].run, sources[a].run, sources[a].digest);
            }
        }
    }
    return ERR_OK;
}

static enum err cell_digests_of(const uint64_t **out, const struct eval_run *m, int c)
{
    const int n = m->x->cfg.n_scenarios;
    uint64_t *settings = ARENA_NEW(m->arena, n, uint64_t);
    TRY(arena_error(m->arena));
    for (int s = 0; s < n; s++) {
        TRY(cell_digest(&settings[s], &m->x->cfg, c, s));
    }
    *out = settings;
    return ERR_OK;
}

/* The arms of controller c, behind those that are there. */
static enum err add_arms(struct grid_arm *arms, int *n_arms, const struct eval_run *m, int c)
{
    const int n_teams = m->policies.teams[c].n_teams;
    struct grid_arm arm = {.name = controller_label(&m->x->cfg.eval.controllers[c]),
                           .controller = c,
                           .learned = n_teams > 0};
    TRY(check_distinct(m, c));
    TRY(cell_digests_of(&arm.cell_digest, m, c));
    for (int t = 0; t < (n_teams > 0 ? n_teams : 1); t++) {
        arm.train = t;
        arm.policy = n_teams > 0 ? m->policies.sources[c][t].digest : 0;
        arm.seed = n_teams > 0 ? m->policies.sources[c][t].seed : 0;
        arms[(*n_arms)++] = arm;
    }
    return ERR_OK;
}

/* Jobs are ordered by arm, scenario and episode, the last one fastest, as those of the
 * evaluation; so job i of the grid is job i of m->inner, and the number of arms follows from the
 * number of jobs. */
static enum err make_grid(struct eval_run *m)
{
    const struct experiment_cfg *cfg = &m->x->cfg;
    const int n_arms_max = m->inner.n / (cfg->n_scenarios * cfg->eval.episodes);
    struct grid_arm *arms = ARENA_NEW(m->arena, n_arms_max, struct grid_arm);
    const char **names = ARENA_NEW(m->arena, cfg->n_scenarios, const char *);
    int n_arms = 0;
    TRY(arena_error(m->arena));
    for (int s = 0; s < cfg->n_scenarios; s++) {
        names[s] = cfg->scenarios[s].name;
    }
    for (int c = 0; c < cfg->eval.n_controllers; c++) {
        TRY(add_arms(arms, &n_arms, m, c));
    }
    m->grid = (struct eval_grid){.arms = arms,
                                 .scenarios = names,
                                 .split = eval_split_name(&cfg->eval),
                                 .seed = cfg->eval.seed,
                                 .n_arms = n_arms,
                                 .n_scenarios = cfg->n_scenarios,
                                 .first = cfg->eval.first,
                                 .n_episodes = cfg->eval.episodes,
                                 .shielded = cfg->eval.shield};
    return ERR_OK;
}

/* Choices of the team with the most in a step. The buffers of the recorder are made for it, and
 * hold every other team's choices as well. */
static int most_actions(const struct eval_run *m)
{
    int most = env_n_actions(&m->x->rules.spec);
    for (int c = 0; c < m->x->cfg.eval.n_controllers; c++) {
        const struct eval_teams *teams = &m->policies.teams[c];
        for (int t = 0; t < teams->n_teams; t++) {
            const int n = env_n_actions(teams->teams[t].interface->spec);
            most = n > most ? n : most;
        }
    }
    return most;
}

static enum err init_trajectories(struct eval_run *m)
{
    if (m->x->cfg.eval.trajectories == EVAL_TRAJECTORIES_NONE) {
        return ERR_OK;
    }
    struct trajectories *t = ARENA_NEW(m->arena, 1, struct trajectories);
    TRY(arena_error(m->arena));
    TRY(trajectories_init(t, m->arena, m->x, most_actions(m), &m->grid, m->dir));
    const struct episode_observer observer = trajectory_recorder_observer(&t->recorder);
    eval_observe(m->eval, &observer);
    m->trajectories = t;
    return ERR_OK;
}

enum err eval_run_init(struct eval_run *m, struct arena *arena, struct comm *comm,
                       struct experiment *x, const char *config_path, const char *dir)
{
    *m = (struct eval_run){.comm = comm,
                           .x = x,
                           .dir = dir,
                           .arena = arena,
                           .csv = {.fd = -1},
                           .org_metrics = {.csv = {.fd = -1}}};
    TRY(policies_load(&m->policies, arena, x, POLICIES_ALL, config_path));
    TRY(eval_new(&m->eval, arena, &x->cfg.eval, &x->env_setup, &x->rules, m->policies.teams));
    m->inner = eval_jobs(m->eval);
    m->csv_path = file_join(arena, dir, "eval.csv");
    m->todo = ARENA_NEW(arena, m->inner.n, int);
    TRY(arena_error(arena));
    TRY(make_grid(m));
    TRY(org_metrics_log_init(&m->org_metrics, arena, m->eval, &m->grid, dir));
    return init_trajectories(m);
}

void eval_run_release(struct eval_run *m)
{
    csv_close(&m->csv);
    org_metrics_log_close(&m->org_metrics);
    if (m->trajectories != NULL) {
        trajectories_close(m->trajectories);
    }
}

/* ---- what is known ---- */

static enum err rename_to(const struct eval_run *m, const char *from, int number)
{
    const char *to = arena_printf(m->arena, "%s.%d", from, number);
    TRY(arena_error(m->arena));
    if (rename(from, to) != 0) {
        log_error("cannot rename '%s' to '%s': %s", from, to, strerror(errno));
        return ERR_IO;
    }
    return ERR_OK;
}

/* A file that took hours is not thrown away: eval.csv becomes eval.csv.1, or the next free number,
 * and its configuration config.yaml.1. The lock of DIR is held, so no other process takes the
 * number between the test and the renaming. */
static enum err move_aside(const struct eval_run *m)
{
    const char *config = eval_config_path(m->arena, m->dir), *to = NULL;
    int n = 0;
    TRY(arena_error(m->arena));
    while (to == NULL || file_exists(to)) {
        to = arena_printf(m->arena, "%s.%d", m->csv_path, ++n);
        TRY(arena_error(m->arena));
    }
    TRY(eval_config_exists(m->dir) ? rename_to(m, config, n) : ERR_OK);
    TRY(rename_to(m, m->csv_path, n));
    log_info("the old rows are kept as %s", to);
    return ERR_OK;
}

/* The rows of a file; of another evaluation's the settings that differ are named, too. */
static enum err read_file(struct eval_run *m, const char *path)
{
    const enum err e = eval_store_read(&m->store, path);
    if (e == ERR_MISMATCH) {
        TRY(eval_config_tell_difference(path, m->x));
    }
    return e;
}

/* DIR/eval.csv first: eval_store_read() counts the rows of the first file that stand in order, by
 * which finish() decides whether the file must be written again. */
static enum err read_files(struct eval_run *m, const struct eval_run_options *o)
{
    TRY(o->config != NULL ? eval_config_check(m->dir) : ERR_OK);
    const bool resumes = file_exists(m->csv_path) && !o->restart;
    if (resumes) {
        TRY(read_file(m, m->csv_path));
    } else if (file_exists(m->csv_path)) {
        TRY(move_aside(m));
    }
    m->store.merges = true;
    for (int i = 0; i < o->n_files; i++) {
        TRY(read_file(m, o->files[i]));
    }
    if (o->n_files > 0 && m->trajectories != NULL) {
        log_error("--merge makes one table of rows; set eval.trajectories to none for it (the "
                  "trajectories of the parts stay where they are)");
        return ERR_CONFIG;
    }
    TRY(o->n_files > 0 ? eval_store_check_complete(&m->store) : ERR_OK);
    TRY(o->config != NULL ? eval_config_write(m->dir, o->config) : ERR_OK);
    if (m->trajectories != NULL) {
        TRY(trajectories_open(m->trajectories, !o->restart));
    }
    if (o->n_files > 0) { /* no file is opened for rows to come */
        return org_metrics_log_merge(&m->org_metrics, o->files, o->n_files);
    }
    TRY(org_metrics_log_open(&m->org_metrics, !o->restart));
    return resumes ? eval_store_continue(&m->csv, &m->store, m->csv_path)
                   : eval_store_create(&m->csv, &m->store, m->csv_path);
}

/* Known rows to the evaluation; to the list of jobs what is unknown, not kept step by step or agent
 * by agent, or a recheck. `todo` ascends, so the farm hands over records in the order of jobs and
 * each file is appended in that order. */
static enum err divide(struct eval_run *m)
{
    const struct eval_store *l = &m->store;
    bool *again = ARENA_NEW(m->arena, l->n_jobs, bool);
    TRY(arena_error(m->arena));
    eval_store_choose_rechecks(again, l);
    for (int i = 0; i < l->n_jobs; i++) {
        const bool known = l->sources[i].path != NULL;
        if (known) {
            eval_restore(m->eval, i, &l->rows[i]);
        }
        const bool traced = m->trajectories == NULL || i < m->trajectories->n_kept;
        const bool judged = i < m->org_metrics.n_kept;
        if (!known || !traced || !judged || again[i]) {
            m->todo[m->n_todo++] = i;
        }
    }
    if (l->n_known > 0) {
        log_info("%d of %d episodes were measured before; %d are left", l->n_known, l->n_jobs,
                 l->n_jobs - l->n_known);
    }
    return ERR_OK;
}

/* Rank 0, before the first job. A directory that cannot be written is noticed here and
 * not after hours. */
static enum err prepare(struct eval_run *m, const struct eval_run_options *o)
{
    TRY(file_make_dirs(m->dir));
    TRY(file_check_writable(m->dir));
    TRY(o->lock != NULL ? file_remove_temporaries(m->dir, 0) : ERR_OK); /* nobody else writes */
    TRY(eval_store_init(&m->store, m->arena, &m->grid));
    TRY(read_files(m, o));
    return divide(m);
}

/* Rank 0's list of jobs to all. The other ranks take the length of the list from the length
 * of the message. */
static enum err share_todo(struct eval_run *m)
{
    struct buf b;
    buf_init(&b);
    const size_t bytes = (size_t)m->n_todo * sizeof *m->todo;
    enum err e = m->comm->rank == 0 ? buf_append(&b, m->todo, bytes) : ERR_OK;
    e = comm_agree(m->comm, e);
    if (e == ERR_OK) {
        e = comm_bcast(m->comm, 0, &b);
    }
    if (e == ERR_OK) {
        CHECK(b.len <= (size_t)m->inner.n * sizeof *m->todo);
        m->n_todo = (int)(b.len / sizeof *m->todo);
        memcpy(m->todo, b.data, b.len);
    }
    buf_release(&b);
    return e;
}

/* ---- the farm ---- */

/* The record is the frame of the row and, behind it, the frame of the trajectory if trajectories
 * are kept, and the CPU time of the episode if somebody watches. */
static enum err run_job(void *ctx, int k, struct buf *out)
{
    const struct eval_run *m = ctx;
    const double start = clock_cpu_s();
    TRY(m->inner.run(m->inner.ctx, m->todo[k], out));
    const double seconds = clock_cpu_s() - start;
    if (m->trajectories != NULL) {
        TRY(trajectories_encode(out, m->trajectories, m->todo[k]));
    }
    return m->watch.row != NULL ? buf_append(out, &seconds, sizeof seconds) : ERR_OK;
}

/* Takes the CPU time off the end of a record, if there is one. */
static double take_seconds(const struct eval_run *m, const void *record, size_t *bytes)
{
    double seconds = 0.0;
    if (m->watch.row != NULL) {
        CHECK(*bytes >= sizeof seconds);
        *bytes -= sizeof seconds;
        memcpy(&seconds, (const char *)record + *bytes, sizeof seconds);
    }
    return seconds;
}

static enum err tell(const struct eval_run *m, int job, double seconds)
{
    return m->watch.row != NULL ? m->watch.row(m->watch.ctx, job, seconds) : ERR_OK;
}

static enum err tell_known(const struct eval_run *m)
{
    for (int i = 0; i < m->store.n_jobs; i++) {
        if (m->store.sources[i].path != NULL) {
            TRY(tell(m, i, 0.0));
        }
    }
    return ERR_OK;
}

/* A row that was known is compared with the one that was just measured, and not written again. When
 * parts are merged no file is open for rows: only rechecks are played then, and compared. */
static enum err take_job(void *ctx, int k, const void *record, size_t bytes)
{
    struct eval_run *m = ctx;
    const int i = m->todo[k];
    const double seconds = take_seconds(m, record, &bytes);
    int n;
    TRY(m->lock != NULL ? lock_confirm(m->lock) : ERR_OK);
    TRY(m->inner.take(m->inner.ctx, i, record, bytes));
    const struct eval_row *row = &eval_rows(m->eval, &n)[i];
    if (m->trajectories != NULL) {
        TRY(trajectories_take(m->trajectories, i, record, bytes));
    }
    if (m->csv.fd >= 0) {
        TRY(org_metrics_log_take(&m->org_metrics, i));
    }
    if (m->store.sources[i].path != NULL) {
        return eval_store_compare(&m->store, i, row);
    }
    TRY(eval_store_put(&m->csv, &m->store, i, row));
    return tell(m, i, seconds);
}

/* The file in the order of jobs. If row k of the file that was read was job k for all of its rows,
 * these were the first jobs, each once; the new rows were appended behind them in the order of
 * jobs, so the file is in order. Otherwise it is written again. */
static enum err finish(struct eval_run *m)
{
    int n;
    const struct eval_row *rows = eval_rows(m->eval, &n);
    CHECK(n == m->inner.n);
    if (m->csv.fd >= 0 && eval_store_in_order(&m->store)) {
        return csv_sync(&m->csv); /* it is */
    }
    return eval_store_rewrite(&m->store, m->csv_path, rows);
}

static enum err tell_stop(struct eval_run *m)
{
    int n;
    eval_rows(m->eval, &n);
    log_info("stopped on request after %d of %d episodes; to go on: %s", n, m->inner.n,
             stop_command());
    return m->csv.fd >= 0 ? csv_sync(&m->csv) : ERR_OK;
}

/* Rank 0 reads and writes all files; the others only learn which jobs are left. ERR_STOPPED
 * from the farm is known to all ranks, and what was measured until then is on the disk
 * before they leave. */
enum err eval_run_execute(struct eval_run *m, const struct eval_run_options *o)
{
    const bool root = m->comm->rank == 0;
    m->lock = o->lock;
    m->watch = o->watch;
    TRY(comm_agree(m->comm, root ? prepare(m, o) : ERR_OK));
    TRY(share_todo(m));
    TRY(comm_agree(m->comm, root ? tell_known(m) : ERR_OK));
    const struct job_list jobs = {.n = m->n_todo,
                                  .ctx = m,
                                  .what = m->inner.what,
                                  .run = run_job,
                                  .take = take_job,
                                  .stop = stop_of_jobs};
    enum err e = farm_run(m->comm, &jobs);
    if (root && e == ERR_STOPPED) {
        const enum err told = tell_stop(m);
        e = told != ERR_OK ? told : e;
    }
    if (root && e == ERR_OK) {
        e = finish(m);
    }
    e = comm_agree(m->comm, e);
    if ((e == ERR_OK || e == ERR_STOPPED) && o->n_files == 0) {
        TRY(decision_cpu_report(m->comm, m->eval, &m->x->cfg.eval, m->dir, !o->restart, m->arena));
    }
    return e;
}
