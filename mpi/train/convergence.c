/* An evaluation of three arms, run an arm at a time. See convergence.h.
 *
 * The jobs of an evaluation are ordered by controller, training seed, scenario and episode. Each of
 * the three controllers has one training seed here, so the jobs of arm a are a*n .. a*n + n - 1 for
 * n jobs an arm, and one list of jobs with an offset (`first`) plays any arm. */
#include "mpi/train/convergence.h"

#include "core/base/csv_read.h"
#include "core/base/file.h"
#include "core/base/log.h"
#include "core/controllers/kinds.h"
#include "core/eval/converged.h"
#include "mpi/comm/farm.h"
#include "mpi/train/trainlog.h"

#include <math.h>

enum arm { ARM_NOTHING, ARM_FF, ARM_POLICY, ARMS };
enum column {
    COL_UPDATE,
    COL_ENV_STEPS,
    COL_EPISODES,
    COL_SLO_ATTAINMENT,
    COL_VCPU,
    COL_HEADROOM,
    COL_NOTHING,
    COL_FF,
    COL_COLLAPSED,
    COLUMNS
};
static const char *const columns[COLUMNS] = {"update",         "env_steps", "episodes",
                                             "slo_attainment", "vcpu",      "headroom",
                                             "nothing",        "ff",        "collapsed"};
static const double PEAK_SHARE_MAX = 0.9;

/* Requested by the most pods of every service, as far as the node has room. */
static double peak_vcpu(const struct env_setup *env_setup)
{
    const struct topology_cfg *topology = env_setup->cfg.topology;
    double sum_m = 0.0;
    for (int s = 0; s < topology->n_services; s++) {
        sum_m += topology->services[s].max_replicas * topology->services[s].cpu_m;
    }
    return (sum_m < topology->node_cpu_m ? sum_m : topology->node_cpu_m) / 1000.0;
}

enum err convergence_init(struct convergence *c, struct arena *arena, struct comm *comm,
                          const struct train_setup *setup, struct learner *learner)
{
    const struct evaluate_cfg *e = &setup->train->evaluate;
    *c = (struct convergence){.comm = comm, .setup = setup, .arena = arena, .csv = {.fd = -1}};
    if (e->every == 0) {
        return ERR_OK;
    }
    if (setup->interface == NULL || setup->rules == NULL) {
        log_error("train.evaluate: only teams that meet a plant can be evaluated; set "
                  "train.evaluate.every to 0");
        return ERR_CONFIG;
    }
    c->team = (struct trained_team){.interface = setup->interface, .learner = learner};
    for (int a = 0; a < ARMS; a++) {
        static const struct controller_kind *const kinds[ARMS] = {
            &controller_nothing, &controller_ff, &controller_policy};
        TRY(controller_cfg_default(&c->controllers[a], arena, kinds[a]));
    }
    if (controller_kind_of(&setup->train->clone.rule.method) == &controller_ff) {
        c->controllers[ARM_FF].method = setup->train->clone.rule.method; /* its parameters */
    }
    c->cfg = (struct eval_cfg){.controllers = c->controllers,
                               .n_controllers = ARMS,
                               .episodes = e->episodes,
                               .seed = e->seed,
                               .split = RNG_DEV};
    c->teams[ARM_POLICY] = (struct eval_teams){.teams = &c->team, .n_teams = 1};
    TRY(eval_new(&c->eval, arena, &c->cfg, setup->rules->env_setup, setup->rules, c->teams));
    c->jobs = eval_jobs(c->eval);
    c->peak_vcpu = peak_vcpu(setup->rules->env_setup);
    return ERR_OK;
}

/* ---- one arm ---- */

static enum err run_job(void *ctx, int k, struct buf *out)
{
    const struct convergence *c = ctx;
    return c->jobs.run(c->jobs.ctx, c->first + k, out);
}

static enum err take_job(void *ctx, int k, const void *record, size_t bytes)
{
    const struct convergence *c = ctx;
    return c->jobs.take(c->jobs.ctx, c->first + k, record, bytes);
}

struct outcome {
    double slo_attainment, vcpu;
};

/* Collective. Means over the scored episodes of all scenarios, known on rank 0. An episode that
 * received no request has no SLO attainment and counts for nothing; on ranks without rows, and
 * where no episode counts, the outcome is NaN. */
static enum err play(struct convergence *c, enum arm arm, struct outcome *out)
{
    const int n = c->jobs.n / ARMS;
    const struct job_list jobs = {
        .n = n, .ctx = c, .what = "evaluate", .run = run_job, .take = take_job};
    int n_rows, n_scored = 0;
    *out = (struct outcome){0};
    c->first = (int)arm * n;
    TRY(farm_run(c->comm, &jobs));
    const struct eval_row *rows = eval_rows(c->eval, &n_rows) + c->first;
    for (int i = 0; i < n && c->comm->rank == 0; i++) {
        n_scored += episode_metrics_scored(&rows[i].m) ? 1 : 0;
    }
    for (int i = 0; i < n && c->comm->rank == 0; i++) {
        if (episode_metrics_scored(&rows[i].m)) {
            out->slo_attainment += rows[i].m.slo_attainment / n_scored;
            out->vcpu += rows[i].m.vcpu / n_scored;
        }
    }
    if (n_scored == 0) { /* also on ranks that know no rows */
        *out = (struct outcome){NAN, NAN};
    }
    return ERR_OK;
}

/* ---- during the run ---- */

/* Rows of the file up to update `done`. They are counted by their column `update` and not as done /
 * every, because train.evaluate.every may be another one since the run began. Updates ascend, so
 * these rows come first, and they are no more than `done`. */
static enum err count_rows(int *keep, const struct convergence *c, int done)
{
    const struct arena_mark mark = arena_mark(c->arena);
    double *updates = ARENA_NEW(c->arena, done, double);
    int n = 0;
    enum err e = arena_error(c->arena);
    e = e == ERR_OK ? csv_read_column(updates, &n, done, c->path, COL_UPDATE, COLUMNS) : e;
    for (*keep = 0; e == ERR_OK && *keep < n && updates[*keep] <= done; (*keep)++) {
    }
    arena_rewind(c->arena, mark);
    return e;
}

/* Opened twice: the first time checks the header and cuts off a torn row, so that the rows can be
 * counted. A run that did not evaluate before has no file. */
enum err convergence_open(struct convergence *c, int done)
{
    int keep;
    c->path = file_join(c->arena, c->setup->run_dir, "convergence.csv");
    c->timing = file_join(c->arena, c->setup->run_dir, "timing.csv");
    TRY(arena_error(c->arena));
    if (done <= 0 || !file_exists(c->path)) {
        return csv_create(&c->csv, c->arena, c->path, columns, COLUMNS);
    }
    TRY(csv_resume(&c->csv, c->arena, c->path, columns, COLUMNS, CSV_KEEP_ALL));
    csv_close(&c->csv);
    TRY(count_rows(&keep, c, done));
    return csv_resume(&c->csv, c->arena, c->path, columns, COLUMNS, keep);
}

enum err convergence_begin(struct convergence *c, int done)
{
    struct outcome nothing, ff;
    if (c->eval == NULL) {
        return ERR_OK;
    }
    TRY(comm_agree(c->comm, c->comm->rank == 0 ? convergence_open(c, done) : ERR_OK));
    TRY(play(c, ARM_NOTHING, &nothing));
    TRY(play(c, ARM_FF, &ff));
    c->nothing = nothing.slo_attainment;
    c->ff = ff.slo_attainment;
    return ERR_OK;
}

bool convergence_collapsed(const struct convergence *c, double slo_attainment, double vcpu)
{
    return vcpu > PEAK_SHARE_MAX * c->peak_vcpu || slo_attainment < c->nothing;
}

/* The headroom that the policy has reached is (policy - nothing) / (ff - nothing) of the SLO
 * attainments: 0 is doing nothing, 1 is as good as staffing. Where staffing gains nothing there is
 * no scale, and it is NaN. */
static enum err put_row(struct convergence *c, int u, const struct outcome *policy)
{
    const struct train_cfg *train = c->setup->train;
    const int64_t env_steps = (int64_t)u * train->envs * train->steps;
    const double room = c->ff - c->nothing;
    csv_int(&c->csv, u);
    csv_int(&c->csv, env_steps);
    csv_int(&c->csv, env_steps / c->setup->envs->horizon);
    csv_num(&c->csv, policy->slo_attainment);
    csv_num(&c->csv, policy->vcpu);
    csv_num(&c->csv, room > 0.0 ? (policy->slo_attainment - c->nothing) / room : NAN);
    csv_num(&c->csv, c->nothing);
    csv_num(&c->csv, c->ff);
    csv_int(&c->csv, convergence_collapsed(c, policy->slo_attainment, policy->vcpu) ? 1 : 0);
    TRY(csv_end_row(&c->csv));
    return csv_sync(&c->csv);
}

bool convergence_due(const struct convergence *c, int u)
{
    return c->eval != NULL && u % c->setup->train->evaluate.every == 0;
}

enum err convergence_update(struct convergence *c, int u)
{
    struct outcome policy;
    if (!convergence_due(c, u)) {
        return ERR_OK;
    }
    TRY(play(c, ARM_POLICY, &policy));
    return comm_agree(c->comm, c->comm->rank == 0 ? put_row(c, u, &policy) : ERR_OK);
}

/* ---- the verdict ---- */

int convergence_find(const double *slo_attainment, const double *headroom, int n)
{
    return converged_at(slo_attainment, headroom, n);
}

static enum err tell_converged(const struct convergence *c, int update, double episodes,
                               double *seconds)
{
    const struct train_cfg *train = c->setup->train;
    int n;
    TRY(csv_read_column(seconds, &n, train->updates, c->timing, TIMING_SECONDS, TIMING_COLUMNS));
    log_info("converged after update %d: %lld env-steps, %.0f episodes, %.0f s of training", update,
             (long long)update * train->envs * train->steps, episodes,
             update <= n ? seconds[update - 1] : NAN);
    return ERR_OK;
}

static void tell_not_converged(const struct convergence *c)
{
    log_info("not converged: no %d evaluations in a row with %.0f %% of the headroom between doing "
             "nothing (%.3f) and feed-forward staffing (%.3f) and %.0f %% of the last",
             CONVERGED_IN_A_ROW, 100 * CONVERGED_HEADROOM, c->nothing, c->ff, 100 * CONVERGED_OWN);
}

static void tell_collapsed(const struct convergence *c, double slo_attainment, double vcpu)
{
    log_warn("collapsed: the last evaluation has an SLO attainment of %.3f (doing nothing: %.3f) "
             "with %.1f vCPU "
             "(the most pods of every service: %.1f); a policy for less than the one or for more "
             "than %.0f %% of the other has learned a constant",
             slo_attainment, c->nothing, vcpu, c->peak_vcpu, 100 * PEAK_SHARE_MAX);
}

static enum err read_columns(double **values, int *n, struct arena *arena, const char *path,
                             int n_max)
{
    for (int k = 0; k < COLUMNS; k++) {
        values[k] = ARENA_NEW(arena, n_max, double);
        TRY(arena_error(arena));
        TRY(csv_read_column(values[k], n, n_max, path, k, COLUMNS));
    }
    return ERR_OK;
}

enum err convergence_read(struct convergence_verdict *v, struct arena *arena, const char *path,
                          int n_max)
{
    double *values[COLUMNS];
    int n = 0;
    *v = (struct convergence_verdict){.n = 0};
    if (!file_exists(path)) {
        return ERR_OK;
    }
    TRY(read_columns(values, &n, arena, path, n_max));
    const int at = convergence_find(values[COL_SLO_ATTAINMENT], values[COL_HEADROOM], n);
    v->n = n;
    if (n > 0) {
        v->slo_attainment = values[COL_SLO_ATTAINMENT][n - 1];
        v->vcpu = values[COL_VCPU][n - 1];
        v->collapsed = values[COL_COLLAPSED][n - 1] > 0.0;
    }
    if (at >= 0) {
        v->converged = true;
        v->update = (int)values[COL_UPDATE][at];
        v->env_steps = (int64_t)values[COL_ENV_STEPS][at];
        v->episodes = (int64_t)values[COL_EPISODES][at];
    }
    return ERR_OK;
}

/* The file is read back, because a resumed run has the earlier rows nowhere else. The seconds of
 * all updates have place for a row after every update. */
enum err convergence_tell(struct convergence *c)
{
    struct convergence_verdict v;
    if (c->eval == NULL || c->comm->rank != 0) {
        return ERR_OK;
    }
    const int n_max = c->setup->train->updates;
    double *seconds = ARENA_NEW(c->arena, n_max, double);
    TRY(arena_error(c->arena));
    TRY(convergence_read(&v, c->arena, c->path, n_max));
    if (v.converged) {
        TRY(tell_converged(c, v.update, (double)v.episodes, seconds));
    } else {
        tell_not_converged(c);
    }
    if (v.collapsed) {
        tell_collapsed(c, v.slo_attainment, v.vcpu);
    }
    return ERR_OK;
}

void convergence_close(struct convergence *c)
{
    csv_close(&c->csv);
}
