/* The directory of an ablation: its manifest says which runs there are, so what is missing is known
 * by name. See results.h and core/eval/ablation_results.h.
 *
 * A run counts when its record says that it is done, for the configuration that the manifest has.
 * Runs keep the order of the manifest, and arms that of the spec. Rows are those of the variant's
 * label in the ablation's scenario: two scenarios of an ablation may differ in a setting and play a
 * scenario of the same name. */
#include "core/report/results_parts.h"

#include "core/base/file.h"
#include "core/base/log.h"
#include "core/base/plural.h"
#include "core/base/shell.h"
#include "core/eval/ablation_results.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* What an ablation lacks, counted by variant, scenario and state. */
struct lack {
    const struct ablation_line *first; /* of these */
    enum ablation_state state;
    int n;
};

struct ablation {
    struct results *r;
    const struct result_dir *dir;
    struct ablation_line *lines; /* (n) */
    int n;
    bool many_scenarios;
    struct lack *lacks; /* (n_lacks) */
    int n_lacks;
};

static const char *shown_path(const struct ablation *a, const char *path)
{
    const size_t n = strlen(a->dir->root);
    return strncmp(path, a->dir->root, n) == 0 ? path + n : path;
}

/* ---- runs that are missing ---- */

static enum err count_lack(struct ablation *a, const struct ablation_line *line,
                           enum ablation_state state)
{
    for (int i = 0; i < a->n_lacks; i++) {
        struct lack *l = &a->lacks[i];
        if (l->state == state && strcmp(l->first->variant, line->variant) == 0 &&
            strcmp(l->first->scenario, line->scenario) == 0) {
            l->n++;
            return ERR_OK;
        }
    }
    a->lacks[a->n_lacks++] = (struct lack){.first = line, .state = state, .n = 1};
    return ERR_OK;
}

static void tell_failed(struct ablation *a, const struct ablation_line *line,
                        const struct ablation_outcome *outcome)
{
    const char *run = ablation_run_dir(a->r->arena, a->dir->path, line);
    results_leave_out(a->r, run != NULL ? shown_path(a, run) : "a run",
                      "failed: %s (%s); log.txt beside its record has what came before. Remove "
                      "outcome.yaml to make it again with karma ablate",
                      outcome->reason, outcome->error);
}

static const char *how(enum ablation_state state)
{
    return state == ABLATION_RUNNING   ? "still running"
           : state == ABLATION_CHANGED ? "of another configuration than the manifest's"
                                       : "missing";
}

static void tell_lacks(struct ablation *a)
{
    for (int i = 0; i < a->n_lacks; i++) {
        const struct lack *l = &a->lacks[i];
        const char *what = arena_printf(
            a->r->arena, "%s%s%s in %s", strcmp(a->dir->shown, ".") != 0 ? a->dir->shown : "",
            strcmp(a->dir->shown, ".") != 0 ? ": " : "", l->first->label, l->first->scenario);
        results_leave_out(a->r, what != NULL ? what : l->first->label,
                          "%d run%s of this arm %s %s, the first is line %d of manifest.csv (seed "
                          "%" PRIu64 "); %s",
                          l->n, plural_s(l->n), l->n == 1 ? "is" : "are", how(l->state),
                          l->first->number, l->first->seed,
                          l->state == ABLATION_RUNNING
                              ? "report again when it is over"
                              : "karma ablate with the same spec makes what is missing");
    }
}

/* ---- runs that are done ---- */

/* What the record of times knows better than the training's own files: all attempts, and memory. */
static enum err add_cost(struct ablation *a, const char *run, struct result_training *t)
{
    struct ablation_cost cost;
    bool found;
    TRY(ablation_cost_read(&cost, &found, a->r->arena, run));
    if (found) {
        t->cpu_s = cost.cpu_s;
        t->memory_bytes = cost.memory_mib * 1024.0 * 1024.0;
        t->n_ranks = cost.ranks;
        t->host = cost.host;
        t->started = cost.started;
    }
    return ERR_OK;
}

/* Of the evaluation of a run, or of the whole ablation: its directory has DIR/analysis. */
static enum err read_analysis(struct ablation *a, const char *dir)
{
    const char *path = file_join(a->r->arena, dir, "analysis");
    TRY(arena_error(a->r->arena));
    const struct result_dir d = {.path = path, .shown = shown_path(a, path), .root = a->dir->root};
    return results_try(a->r, &d, "roles.csv", results_read_analysis);
}

static enum err read_run(struct ablation *a, const struct ablation_line *line)
{
    struct results *r = a->r;
    const char *run = ablation_run_dir(r->arena, a->dir->path, line);
    const char *evaluation = file_join(r->arena, run, "evaluation");
    const char *training = file_join(r->arena, run, "training");
    TRY(arena_error(r->arena));
    const int n_trainings = r->n_trainings;
    const struct result_dir in_evaluation = {.path = evaluation,
                                             .shown = shown_path(a, evaluation),
                                             .root = a->dir->root,
                                             .scenario = line->scenario};
    const struct result_dir in_training = {
        .path = training, .shown = shown_path(a, training), .root = a->dir->root};
    TRY(results_try(r, &in_evaluation, "eval.csv", results_read_eval));
    TRY(results_try(r, &in_evaluation, "org_metrics.csv", results_read_agents));
    TRY(read_analysis(a, evaluation));
    TRY(results_try(r, &in_training, "run.yaml", results_read_training));
    if (r->n_trainings == n_trainings) {
        return ERR_OK;
    }
    struct result_training *t = &r->trainings[n_trainings];
    t->arm = line->label;
    t->scenario = line->scenario;
    t->name = a->many_scenarios ? arena_printf(r->arena, "%s, %s", line->label, line->scenario)
                                : line->label;
    TRY(arena_error(r->arena));
    return add_cost(a, run, t);
}

static enum err take_line(struct ablation *a, const struct ablation_line *line)
{
    enum ablation_state state;
    struct ablation_outcome outcome;
    TRY(ablation_look(&state, &outcome, a->r->arena, a->dir->path, line));
    if (state == ABLATION_DONE) {
        return read_run(a, line);
    }
    if (state == ABLATION_FAILED) {
        tell_failed(a, line, &outcome);
        return ERR_OK;
    }
    return count_lack(a, line, state);
}

/* ---- the ablation ---- */

/* Claims of the spec join those of other ablations. */
static enum err read_spec(struct results *r, const struct result_dir *d, const char *path)
{
    struct ablation_spec spec;
    struct cfg reader;
    (void)d;
    cfg_init(&reader, ablation_fields, sizeof spec, r->arena);
    TRY(cfg_load(&reader, path, NULL, 0, &spec));
    const int n = r->n_claims + spec.n_claims;
    struct ablation_claim *claims = ARENA_NEW(r->arena, n, struct ablation_claim);
    TRY(arena_error(r->arena));
    for (int i = 0; i < n; i++) {
        claims[i] = i < r->n_claims ? r->claims[i] : spec.claims[i - r->n_claims];
    }
    r->claims = claims;
    r->n_claims = n;
    return ERR_OK;
}

enum err results_read_ablation(struct results *r, const struct result_dir *d, const char *path)
{
    struct ablation a = {.r = r, .dir = d};
    (void)path;
    TRY(ablation_manifest_read(&a.lines, &a.n, r->arena, d->path));
    a.lacks = ARENA_NEW(r->arena, a.n, struct lack);
    TRY(arena_error(r->arena));
    for (int i = 1; i < a.n; i++) {
        a.many_scenarios =
            a.many_scenarios || strcmp(a.lines[i].scenario, a.lines[0].scenario) != 0;
    }
    TRY(results_try(r, d, "spec.yaml", read_spec));
    for (int i = 0; i < a.n; i++) {
        TRY(take_line(&a, &a.lines[i]));
        if (r->progress != NULL) {
            progress_at(r->progress, (uint64_t)i + 1, "of %d runs of %s", a.n, d->shown);
        }
    }
    tell_lacks(&a);
    return read_analysis(&a, d->path);
}
