/* Training, evaluation, record. See ablate_run.h.
 *
 * An error inside a run is agreed on by the ranks of the group in the job that meets it, so all
 * of them come to record() with the same code. The first sentence that any rank has logged is the
 * reason; the others stand in log.txt. */
#include "mpi/jobs/ablate_run.h"

#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/log.h"
#include "core/base/rundir.h"
#include "core/controllers/trained.h"
#include "mpi/comm/selfcheck.h"
#include "mpi/jobs/ablate_tidy.h"
#include "mpi/jobs/collect.h"
#include "mpi/jobs/eval_run.h"
#include "mpi/jobs/fit.h"
#include "mpi/jobs/training.h"
#include "mpi/train/convergence.h"
#include "mpi/train/train.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { REASON_MAX = 512, PARTS_MAX = 128 };

/* Where the lines of a run go. */
struct said {
    int fd; /* of log.txt; -1 on ranks other than 0 */
    char first[REASON_MAX];
};

struct job {
    struct comm *comm;
    const struct ablate_plan *plan;
    int number; /* of the run or the stage */
    bool is_stage;
    const char *dir;
    struct lock *lock;
    struct arena arena;
    struct said said;
    struct ablation_outcome outcome;
    struct ablation_cost cost; /* rank 0: with what stood there */
    double train_s, evaluate_s;
};

/* ---- what is said meanwhile ---- */

/* The sentence behind "error: ". */
static void hear(void *ctx, enum log_level level, const char *line)
{
    struct said *said = ctx;
    const char *text = strstr(line, "error: ");
    if (level == LOG_ERROR && said->first[0] == '\0') {
        text = text != NULL ? text + strlen("error: ") : line;
        (void)snprintf(said->first, sizeof said->first, "%s", text);
    }
    if (said->fd >= 0) {
        dprintf(said->fd, "%s\n", line);
    }
}

static enum log_level level_now(void)
{
    return log_wants(LOG_DEBUG)  ? LOG_DEBUG
           : log_wants(LOG_INFO) ? LOG_INFO
           : log_wants(LOG_WARN) ? LOG_WARN
                                 : LOG_ERROR;
}

static void open_log(struct job *j)
{
    const char *path = j->comm->rank == 0 ? file_join(&j->arena, j->dir, "log.txt") : NULL;
    j->said.fd = path != NULL ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666) : -1;
}

/* The first reason that a rank of the group has; rank 0's if it has one. */
static enum err share_reason(struct job *j)
{
    char *all = ARENA_NEW(&j->arena, j->comm->size * REASON_MAX, char);
    TRY(comm_agree(j->comm, arena_error(&j->arena)));
    TRY(comm_gather_all(j->comm, all, j->said.first, REASON_MAX));
    for (int r = 0; r < j->comm->size && j->said.first[0] == '\0'; r++) {
        memcpy(j->said.first, all + (size_t)r * REASON_MAX, REASON_MAX);
    }
    return ERR_OK;
}

/* ---- what stands there ---- */

static enum err move_aside(struct job *j, const char *name)
{
    const char *from = file_join(&j->arena, j->dir, name), *to = NULL;
    TRY(arena_error(&j->arena));
    if (!file_exists(from)) {
        return ERR_OK;
    }
    for (int n = 1; to == NULL || file_exists(to); n++) {
        to = arena_printf(&j->arena, "%s.%d", from, n);
        TRY(arena_error(&j->arena));
    }
    if (rename(from, to) != 0) {
        log_error("cannot rename '%s' to '%s': %s", from, to, strerror(errno));
        return ERR_IO;
    }
    log_warn("'%s' is of another configuration; it is kept as '%s'", from, to);
    return ERR_OK;
}

/* The file `parts` names the configurations that training/ and evaluation/ were begun with. */
static enum err check_parts(struct job *j)
{
    const struct ablate_plan *p = j->plan;
    char text[PARTS_MAX];
    struct buf old;
    const char *path = file_join(&j->arena, j->dir, "parts");
    const int n =
        snprintf(text, sizeof text, "training %016" PRIx64 "\nevaluation %016" PRIx64 "\n",
                 p->trainings[j->number], p->evaluations[j->number]);
    const size_t first = strcspn(text, "\n") + 1;
    TRY(arena_error(&j->arena));
    buf_init(&old);
    enum err e = file_exists(path) ? file_read(&old, path, PARTS_MAX) : ERR_OK;
    const bool known = e == ERR_OK && old.len == (size_t)n;
    const bool same_training = known && memcmp(old.data, text, first) == 0;
    const bool same = same_training && memcmp(old.data, text, (size_t)n) == 0;
    buf_release(&old);
    e = e == ERR_OK && !same_training ? move_aside(j, "training") : e;
    e = e == ERR_OK && !same ? move_aside(j, "evaluation") : e;
    return e == ERR_OK && !same ? file_write(path, text, (size_t)n) : e;
}

/* An outcome that is there is of another configuration, or of a failure that is tried again. */
static enum err begin(struct job *j)
{
    bool found;
    char now[CLOCK_ISO_BYTES];
    TRY(ablate_tidy_run(j->dir, &j->arena));
    TRY(move_aside(j, "outcome.yaml"));
    TRY(j->is_stage ? ERR_OK : check_parts(j));
    TRY(ablation_cost_read(&j->cost, &found, &j->arena, j->dir));
    clock_iso(now);
    if (!found) {
        j->cost = (struct ablation_cost){.format = ABLATION_FORMAT,
                                         .started = arena_strdup(&j->arena, now)};
    }
    return arena_error(&j->arena);
}

/* ---- the parts of a run ---- */

/* Rank 0's log is enough for what all ranks do alike. */
static void mute(const struct job *j, bool on)
{
    if (j->comm->rank != 0) {
        log_set_sink(on ? log_discard : hear, on ? NULL : (void *)&j->said);
    }
}

static enum err train_loaded(struct job *j, struct experiment *x)
{
    const struct training_order order = {.lock = NULL};
    struct training_outcome done;
    mute(j, true);
    enum err e = train_check(&x->cfg.train, j->comm->size);
    e = e == ERR_OK ? experiment_load_twin(x) : e;
    mute(j, false);
    TRY(comm_agree(j->comm, e));
    TRY(selfcheck(j->comm, (enum gemm_kind)x->cfg.team.gemm));
    TRY(training_run(j->comm, &done, x, &order));
    j->outcome.weights = arena_printf(&j->arena, "%016" PRIx64, done.digest);
    j->outcome.updates = x->cfg.train.updates;
    j->outcome.env_steps = (int64_t)x->cfg.train.updates * x->cfg.train.envs * x->cfg.train.steps;
    return arena_error(&j->arena);
}

/* When it converged: rank 0 reads the file that the training has written. */
static enum err read_convergence(struct job *j)
{
    struct convergence_verdict v;
    const char *path = file_join(&j->arena, j->dir, "training/convergence.csv");
    TRY(arena_error(&j->arena));
    TRY(convergence_read(&v, &j->arena, path, j->outcome.updates));
    j->outcome.converged = v.converged;
    j->outcome.collapsed = v.collapsed;
    j->outcome.converged_update = v.update;
    j->outcome.converged_env_steps = v.env_steps;
    j->outcome.converged_episodes = v.episodes;
    return ERR_OK;
}

static enum err train(struct job *j)
{
    struct experiment x;
    mute(j, true);
    enum err e = ablate_load_training(&x, j->plan, j->number, true);
    const bool loaded = e == ERR_OK;
    mute(j, false);
    e = comm_agree(j->comm, e);
    if (e == ERR_OK) {
        e = train_loaded(j, &x);
    }
    if (loaded) {
        experiment_release(&x);
    }
    return comm_agree(j->comm, e == ERR_OK && j->comm->rank == 0 ? read_convergence(j) : e);
}

/* Means over the scored rows of one controller in one scenario. */
static struct ablation_mean mean_of(const struct eval_row *rows, int n, int controller,
                                    int scenario)
{
    struct ablation_mean m = {.controller = ""};
    for (int i = 0; i < n; i++) {
        const struct eval_row *r = &rows[i];
        if (r->controller != controller || r->scenario != scenario) {
            continue;
        }
        m.episodes++;
        if (episode_metrics_scored(&r->m)) {
            m.scored++;
            m.slo_attainment += r->m.slo_attainment;
            m.vcpu += r->m.vcpu;
            m.reward += r->m.reward;
        }
    }
    if (m.scored > 0) {
        m.slo_attainment /= m.scored;
        m.vcpu /= m.scored;
        m.reward /= m.scored;
    }
    return m;
}

/* Rank 0. Names are copied: the configuration ends before the record is written. */
static enum err take_means(struct job *j, const struct eval_run *run, const struct experiment *x)
{
    const struct eval_cfg *eval = &x->cfg.eval;
    int n;
    const struct eval_row *rows = eval_rows(run->eval, &n);
    struct ablation_mean *means =
        ARENA_NEW(&j->arena, eval->n_controllers * x->cfg.n_scenarios, struct ablation_mean);
    TRY(arena_error(&j->arena));
    for (int c = 0; c < eval->n_controllers; c++) {
        for (int s = 0; s < x->cfg.n_scenarios; s++) {
            struct ablation_mean *m = &means[j->outcome.n_means++];
            *m = mean_of(rows, n, c, s);
            m->controller = arena_strdup(&j->arena, controller_label(&eval->controllers[c]));
            m->scenario = arena_strdup(&j->arena, x->cfg.scenarios[s].name);
        }
    }
    j->outcome.means = means;
    return arena_error(&j->arena);
}

/* The policy that the run has trained, by its place beside the evaluation. */
static enum err name_beside(struct controller_cfg *controller, struct arena *arena)
{
    const struct cfg_one *method = &controller->method;
    struct trained_cfg *params = arena_alloc(arena, 1, method->kind->size);
    const char **policies = ARENA_NEW(arena, 1, const char *);
    TRY(arena_error(arena));
    memcpy(params, method->params, method->kind->size);
    policies[0] = "../training";
    params->policies = policies;
    params->n_policies = 1;
    controller->method.params = params;
    return ERR_OK;
}

/* The configuration as it is kept: the same bytes wherever the ablation lies. NUL-terminated. */
static enum err print_config(struct buf *out, struct job *j, const struct experiment *x)
{
    struct experiment_cfg cfg = x->cfg;
    const int variant = j->plan->runs[j->number].variant, n = cfg.eval.n_controllers;
    if (j->plan->spec->variants[variant].kind == ABLATION_TRAINING) {
        cfg.eval.controllers = ARENA_NEW(&j->arena, n, struct controller_cfg);
        TRY(arena_error(&j->arena));
        for (int c = 0; c < n; c++) {
            cfg.eval.controllers[c] = x->cfg.eval.controllers[c];
            TRY(name_beside(&cfg.eval.controllers[c], &j->arena));
        }
    }
    TRY(cfg_print_resolved(out, experiment_fields, &cfg, CFG_ALL));
    return buf_append(out, "", 1);
}

static enum err play(struct job *j, struct experiment *x, const char *config)
{
    const struct eval_run_options how = {.lock = j->comm->rank == 0 ? j->lock : NULL,
                                         .config = config};
    const char *dir = file_join(&j->arena, j->dir, "evaluation");
    struct eval_run run = {.csv = {.fd = -1}, .org_metrics = {.csv = {.fd = -1}}};
    TRY(comm_agree(j->comm, arena_error(&j->arena)));
    mute(j, true);
    enum err e = eval_run_init(&run, &j->arena, j->comm, x, j->plan->spec->evaluation, dir);
    mute(j, false);
    e = comm_agree(j->comm, e);
    if (e == ERR_OK) {
        e = eval_run_execute(&run, &how);
    }
    if (e == ERR_OK) {
        e = comm_agree(j->comm, j->comm->rank == 0 ? take_means(j, &run, x) : ERR_OK);
    }
    eval_run_release(&run);
    return e;
}

static enum err evaluate(struct job *j)
{
    struct experiment x;
    struct buf config;
    buf_init(&config);
    mute(j, true);
    enum err e = ablate_load_evaluation(&x, j->plan, j->number);
    const bool loaded = e == ERR_OK;
    mute(j, false);
    e = comm_agree(j->comm, e == ERR_OK ? print_config(&config, j, &x) : e);
    if (e == ERR_OK) {
        e = play(j, &x, (const char *)config.data);
    }
    buf_release(&config);
    if (loaded) {
        experiment_release(&x);
    }
    return e;
}

static enum err make_run(struct job *j)
{
    const double start = clock_s();
    const struct ablation_run *r = &j->plan->runs[j->number];
    if (j->plan->spec->variants[r->variant].kind == ABLATION_TRAINING) {
        const enum err e = train(j);
        j->train_s = clock_s() - start;
        TRY(e);
    }
    const enum err e = evaluate(j);
    j->evaluate_s = clock_s() - start - j->train_s;
    return e;
}

/* ---- the parts of a stage ---- */

static enum err collect(struct job *j)
{
    const struct ablate_stage *s = &j->plan->stages[j->number];
    struct experiment x;
    const struct collect_cfg cfg = {.path = ablate_stage_file(j->plan, &j->arena, j->number),
                                    .licence = "Apache-2.0",
                                    .split_seed = 1,
                                    .validation = j->plan->spec->validation,
                                    .held_out = j->plan->spec->held_out,
                                    .in_locked_dir = true};
    mute(j, true);
    enum err e = ablate_load_collection(&x, j->plan, s->run);
    const bool loaded = e == ERR_OK;
    mute(j, false);
    e = comm_agree(j->comm, e == ERR_OK ? arena_error(&j->arena) : e);
    if (e == ERR_OK) {
        e = collect_run(j->comm, &x, x.path, &cfg);
    }
    if (loaded) {
        experiment_release(&x);
    }
    return e;
}

static enum err fit_with(struct job *j, const struct experiment *x, const char *yaml)
{
    const struct fluid_cfg fluid = twin_fluid_cfg(&x->cfg.twin);
    const char *store = ablate_stage_file(j->plan, &j->arena, j->plan->stages[j->number].from);
    struct fit_outcome fitted;
    const struct fit_order order = {.stores = &store,
                                    .n_stores = 1,
                                    .out = ablate_stage_file(j->plan, &j->arena, j->number),
                                    .cfg = &x->cfg.fit,
                                    .yaml = yaml,
                                    .in_locked_dir = true,
                                    .kind = (enum twin_kind)x->cfg.twin.kind,
                                    .plant = &x->cfg.plant,
                                    .fluid = &fluid};
    TRY(comm_agree(j->comm, arena_error(&j->arena)));
    TRY(fit_run(j->comm, &fitted, &j->arena, &order));
    j->outcome.weights = arena_printf(&j->arena, "%016" PRIx64, fitted.model.digest);
    return arena_error(&j->arena);
}

static enum err fit(struct job *j)
{
    struct experiment x;
    struct buf yaml;
    mute(j, true);
    enum err e = ablate_load_training(&x, j->plan, j->plan->stages[j->number].run, false);
    const bool loaded = e == ERR_OK;
    mute(j, false);
    buf_init(&yaml);
    if (e == ERR_OK) {
        e = cfg_print_resolved(&yaml, fit_fields, &x.cfg.fit, CFG_ALL);
        e = e == ERR_OK ? buf_append(&yaml, "", 1) : e;
    }
    e = comm_agree(j->comm, e);
    if (e == ERR_OK) {
        e = fit_with(j, &x, (const char *)yaml.data);
    }
    buf_release(&yaml);
    if (loaded) {
        experiment_release(&x);
    }
    return e;
}

static enum err make_stage(struct job *j)
{
    return j->plan->stages[j->number].is_fit ? fit(j) : collect(j);
}

/* ---- the record ---- */

/* Does the error say something about the run? The others are about this process or its machine. */
static bool is_of_run(enum err e)
{
    return e != ERR_OK && e != ERR_STOPPED && e != ERR_IO && e != ERR_MEMORY && e != ERR_PEER &&
           e != ERR_BUSY;
}

static enum err put_cost(struct job *j, double seconds, double cpu_s, double memory_mib)
{
    struct ablation_cost *c = &j->cost;
    struct owner me;
    char now[CLOCK_ISO_BYTES];
    owner_identify(&me, "karma ablate");
    clock_iso(now);
    c->attempts++;
    c->ranks = j->comm->size;
    c->seconds += seconds;
    c->cpu_s += cpu_s;
    c->train_s += j->train_s;
    c->evaluate_s += j->evaluate_s;
    c->memory_mib = memory_mib > c->memory_mib ? memory_mib : c->memory_mib;
    c->ended = now;
    c->host = me.host;
    c->revision = rundir_revision();
    c->build = rundir_build_info();
    return ablation_cost_write(j->dir, c);
}

/* CPU time and memory of all ranks to all; rank 0 writes. */
static enum err record_cost(struct job *j, double start, double start_cpu)
{
    const double mine[2] = {clock_cpu_s() - start_cpu, (double)mem_resident_most() / 1048576.0};
    double *all = ARENA_NEW(&j->arena, 2 * j->comm->size, double);
    double cpu_s = 0.0, memory = 0.0;
    TRY(comm_agree(j->comm, arena_error(&j->arena)));
    TRY(comm_gather_all(j->comm, all, mine, sizeof mine));
    for (int r = 0; r < j->comm->size; r++) {
        const double *of = all + (ptrdiff_t)2 * r;
        cpu_s += of[0];
        memory = of[1] > memory ? of[1] : memory;
    }
    return j->comm->rank == 0 ? put_cost(j, clock_s() - start, cpu_s, memory) : ERR_OK;
}

static enum err put_outcome(struct job *j, enum err result)
{
    struct ablation_outcome *o = &j->outcome;
    const char *const empty = "";
    TRY(lock_confirm(j->lock));
    o->format = ABLATION_FORMAT;
    o->state = result == ERR_OK ? ABLATION_DONE : ABLATION_FAILED;
    o->error = result == ERR_OK ? empty : err_name(result);
    o->reason = result == ERR_OK           ? empty
                : j->said.first[0] != '\0' ? j->said.first
                                           : err_text(result);
    o->weights = o->weights != NULL ? o->weights : empty;
    return ablation_outcome_write(j->dir, o);
}

static enum err record(struct job *j, struct ablate_result *out, enum err e, double start,
                       double start_cpu)
{
    out->failed = is_of_run(e);
    TRY(out->failed ? share_reason(j) : ERR_OK);
    TRY(comm_agree(j->comm, record_cost(j, start, start_cpu)));
    if (e != ERR_OK && !out->failed) {
        return e;
    }
    TRY(comm_agree(j->comm, j->comm->rank == 0 ? put_outcome(j, e) : ERR_OK));
    if (out->failed) {
        (void)snprintf(out->reason, sizeof out->reason, "%s",
                       j->comm->rank == 0 ? j->outcome.reason : "");
    }
    return ERR_OK;
}

/* ---- all ---- */

static enum err execute(struct job *j, struct ablate_result *out)
{
    const enum log_level level = level_now();
    const double start = clock_s(), start_cpu = clock_cpu_s();
    if (level != LOG_DEBUG && level != LOG_ERROR) {
        log_set_level(LOG_WARN);
    }
    open_log(j);
    log_set_sink(hear, &j->said);
    enum err e = comm_agree(j->comm, j->comm->rank == 0 ? begin(j) : ERR_OK);
    if (e == ERR_OK) {
        e = j->is_stage ? make_stage(j) : make_run(j);
        e = record(j, out, e, start, start_cpu);
    }
    log_set_sink(NULL, NULL);
    log_set_level(level);
    if (e != ERR_OK && e != ERR_STOPPED && j->said.first[0] != '\0') {
        log_error("%s: %s", j->dir, j->said.first);
    }
    if (j->said.fd >= 0) {
        close(j->said.fd);
    }
    out->seconds = clock_s() - start;
    return e;
}

static enum err run_job(struct job *j, struct ablate_result *out)
{
    char digest[ABLATION_DIGEST_BYTES];
    *out = (struct ablate_result){.failed = false};
    ablation_digest_print(digest, j->is_stage ? j->plan->stages[j->number].digest
                                              : j->plan->lines[j->number].digest);
    j->outcome.digest = digest;
    return execute(j, out);
}

enum err ablate_run(struct ablate_result *out, struct comm *comm, const struct ablate_plan *plan,
                    int i, struct lock *lock)
{
    const struct ablation_line *l = &plan->lines[i];
    struct job j = {
        .comm = comm,
        .plan = plan,
        .number = i,
        .lock = lock,
        .said = {.fd = -1},
        .outcome = {
            .variant = l->variant, .scenario = l->scenario, .seed = l->seed, .kind = l->kind}};
    arena_init(&j.arena);
    j.dir = ablate_run_dir(plan, &j.arena, i);
    enum err e = comm_agree(comm, arena_error(&j.arena));
    e = e == ERR_OK ? run_job(&j, out) : e;
    arena_release(&j.arena);
    return e;
}

enum err ablate_make_stage(struct ablate_result *out, struct comm *comm,
                           const struct ablate_plan *plan, int stage, struct lock *lock)
{
    const struct ablate_stage *s = &plan->stages[stage];
    struct job j = {.comm = comm,
                    .plan = plan,
                    .number = stage,
                    .is_stage = true,
                    .dir = s->dir,
                    .lock = lock,
                    .said = {.fd = -1},
                    .outcome = {.variant = "",
                                .scenario = plan->lines[s->run].scenario,
                                .kind = s->is_fit ? "fit" : "collect"}};
    arena_init(&j.arena);
    const enum err e = run_job(&j, out);
    arena_release(&j.arena);
    return e;
}
