/* Configurations, digests, stages. See ablate_plan.h.
 *
 * A configuration is loaded once for each variant and scenario. The seeds of a variant differ in
 * train.seed alone, which is changed in the loaded values before they are hashed again. */
#include "mpi/jobs/ablate_plan.h"

#include "core/base/file.h"
#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/controllers/trained.h"
#include "mpi/jobs/cell_digest.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- places ---- */

const char *ablate_run_dir(const struct ablate_plan *p, struct arena *arena, int i)
{
    return ablation_run_dir(arena, p->dir, &p->lines[i]);
}

const char *ablate_stage_file(const struct ablate_plan *p, struct arena *arena, int stage)
{
    const struct ablate_stage *s = &p->stages[stage];
    return file_join(arena, s->dir, s->is_fit ? "twin" : "store");
}

/* In single quotes, where only a single quote is special, and is doubled. */
const char *ablate_quoted(struct arena *arena, const char *text)
{
    char *out = ARENA_NEW(arena, 2 * strlen(text) + 3, char);
    if (out == NULL) {
        return NULL;
    }
    char *o = out;
    *o++ = '\'';
    for (const char *c = text; *c != '\0'; c++) {
        *o++ = *c;
        if (*c == '\'') {
            *o++ = '\'';
        }
    }
    *o++ = '\'';
    *o = '\0';
    return out;
}

/* ---- configurations ---- */

static enum err load(struct experiment *x, const struct ablate_plan *p,
                     const struct ablation_sources *s)
{
    TRY(arena_error(p->arena));
    return experiment_load_sources(x, s->files, s->n_files, s->sets, s->n_sets);
}

/* The number of learners follows from the ranks of the group: no result depends on it. */
enum err ablate_load_training(struct experiment *x, const struct ablate_plan *p, int i,
                              bool with_twin)
{
    enum { OWN = 4 };
    struct ablation_sources s;
    const char *run_dir = ablate_run_dir(p, p->arena, i);
    TRY(arena_error(p->arena));
    TRY(ablation_sources(&s, p->spec, &p->runs[i], ABLATION_TRAIN, OWN, p->arena));
    s.sets[s.n_sets++] = arena_printf(p->arena, "train.seed=%" PRIu64, p->runs[i].seed);
    s.sets[s.n_sets++] = "train.learners=auto";
    const char *training = file_join(p->arena, run_dir, "training");
    TRY(arena_error(p->arena));
    s.sets[s.n_sets++] = arena_printf(p->arena, "run.dir=%s", ablate_quoted(p->arena, training));
    if (with_twin && p->twins[i] >= 0) {
        const char *twin = ablate_stage_file(p, p->arena, p->twins[i]);
        TRY(arena_error(p->arena));
        s.sets[s.n_sets++] = arena_printf(p->arena, "twin.file=%s", ablate_quoted(p->arena, twin));
    }
    return load(x, p, &s);
}

/* "{name: 'hard', policy: {policies: ['RUN/training'], mode: sample}}" */
static const char *player(const struct ablate_plan *p, int i, bool sampled)
{
    struct arena *a = p->arena;
    const struct ablation_variant *v = &p->spec->variants[p->runs[i].variant];
    const char *label =
        sampled ? arena_printf(a, "%s sampled", ablation_label(v)) : ablation_label(v);
    const char *dir = ablate_run_dir(p, a, i);
    if (arena_error(a) != ERR_OK) {
        return NULL;
    }
    const char *training = file_join(a, dir, "training");
    if (arena_error(a) != ERR_OK) {
        return NULL;
    }
    const char *name = ablate_quoted(a, label), *run = ablate_quoted(a, training);
    if (sampled) {
        return arena_printf(a, "{name: %s, policy: {policies: [%s], mode: sample}}", name, run);
    }
    const char *sweep = ablate_quoted(a, v->sweep);
    return arena_printf(a, "{name: %s, policy: {policies: [%s], sweep: %s}}", name, run, sweep);
}

/* What is about all controllers together has no meaning for one of them. */
enum err ablate_load_evaluation(struct experiment *x, const struct ablate_plan *p, int i)
{
    enum { OWN = 4 };
    struct ablation_sources s;
    const struct ablation_variant *v = &p->spec->variants[p->runs[i].variant];
    TRY(ablation_sources(&s, p->spec, &p->runs[i], ABLATION_EVALUATE, OWN, p->arena));
    s.sets[s.n_sets++] = "eval.claims=[]";
    s.sets[s.n_sets++] = "eval.separation=''";
    if (v->kind == ABLATION_TRAINING) {
        const char *first = player(p, i, false);
        const char *second = v->sampled ? player(p, i, true) : NULL;
        TRY(arena_error(p->arena));
        s.sets[s.n_sets++] = arena_printf(p->arena, "eval.controllers=[%s%s%s]", first,
                                          v->sampled ? ", " : "", v->sampled ? second : "");
        s.sets[s.n_sets++] = "eval.frontier=[]";
    }
    return load(x, p, &s);
}

enum err ablate_load_collection(struct experiment *x, const struct ablate_plan *p, int i)
{
    struct ablation_sources s;
    TRY(ablation_sources(&s, p->spec, &p->runs[i], ABLATION_COLLECT, 0, p->arena));
    return load(x, p, &s);
}

/* ---- digests ---- */

/* The twin that is made counts with its stage. */
struct made {
    const char *file; /* NULL: none is made */
    uint64_t digest;
};

static enum err hash_path(uint64_t *hash, void *ctx, const char *path)
{
    const struct made *made = ctx;
    if (made->file != NULL && strcmp(path, made->file) == 0) {
        *hash = made->digest;
        return ERR_OK;
    }
    return experiment_hash_file(hash, NULL, path);
}

static enum err training_digest(uint64_t *digest, const struct ablate_plan *p, struct experiment *x,
                                int i)
{
    struct made made = {.file = NULL};
    if (p->twins[i] >= 0) {
        made.file = ablate_stage_file(p, p->arena, p->twins[i]);
        made.digest = p->stages[p->twins[i]].digest;
        TRY(arena_error(p->arena));
        x->cfg.twin.file = made.file;
    }
    x->cfg.train.seed = p->runs[i].seed;
    return cfg_digest(digest, experiment_training_fields, &x->cfg, hash_path, &made);
}

static uint64_t hash_text(uint64_t hash, const char *text)
{
    return hash_fnv1a(hash, text, strlen(text) + 1);
}

/* Names, episodes, and for each controller and scenario what decides a row. The policies of a
 * training follow from its own digest; those that a configuration of controllers names count with
 * their directories. Trajectories decide no row, but a run that should have them and has none is
 * not done. */
static enum err evaluation_digest(uint64_t *digest, const struct experiment *x, bool of_training)
{
    const struct eval_cfg *eval = &x->cfg.eval;
    uint64_t h = HASH_START;
    h = hash_word(h, (uint64_t)eval->episodes);
    h = hash_word(h, (uint64_t)eval->first);
    h = hash_word(h, eval->seed);
    h = hash_word(h, (uint64_t)eval->split);
    if (eval->trajectories != EVAL_TRAJECTORIES_NONE) {
        h = hash_word(h, (uint64_t)eval->trajectories);
    }
    for (int c = 0; c < eval->n_controllers; c++) {
        const struct trained_cfg *trained = controller_trained(&eval->controllers[c]);
        h = hash_text(h, controller_label(&eval->controllers[c]));
        for (int k = 0; !of_training && trained != NULL && k < trained->n_policies; k++) {
            h = hash_text(h, trained->policies[k]);
        }
        for (int s = 0; s < x->cfg.n_scenarios; s++) {
            uint64_t cell;
            TRY(cell_digest(&cell, &x->cfg, c, s));
            h = hash_word(hash_text(h, x->cfg.scenarios[s].name), cell);
        }
    }
    *digest = h;
    return ERR_OK;
}

/* ---- stages ---- */

/* The stage of that digest, or a new one. */
static enum err find_stage(int *stage, struct ablate_plan *p, bool is_fit, uint64_t digest, int run,
                           int from)
{
    for (int s = 0; s < p->n_stages; s++) {
        if (p->stages[s].is_fit == is_fit && p->stages[s].digest == digest) {
            *stage = s;
            return ERR_OK;
        }
    }
    const char *dir = ablation_stage_dir(p->arena, p->dir, is_fit ? "fit" : "collect", digest);
    TRY(arena_error(p->arena));
    p->stages[p->n_stages] = (struct ablate_stage){
        .is_fit = is_fit, .digest = digest, .run = run, .from = from, .dir = dir};
    *stage = p->n_stages++;
    return ERR_OK;
}

static enum err collection_digest(uint64_t *digest, const struct ablate_plan *p, int run)
{
    struct experiment x;
    uint64_t h;
    TRY(ablate_load_collection(&x, p, run));
    const enum err e = cfg_digest(&h, experiment_fields, &x.cfg, experiment_hash_file, NULL);
    experiment_release(&x);
    TRY(e);
    h = hash_fnv1a(h, &p->spec->validation, sizeof p->spec->validation);
    *digest = hash_fnv1a(h, &p->spec->held_out, sizeof p->spec->held_out);
    return ERR_OK;
}

/* What karma twin fit reads of a training. Queues are told the monitoring and their noise;
 * networks learn both. */
struct fit_of {
    struct fit_cfg fit;
    struct plant_cfg plant;
    struct twin_cfg twin;
};
static const struct cfg_field fit_rows[] = {CFG_TABLE(struct fit_of, fit, fit_fields, ""), CFG_END};
static const struct cfg_field queue_rows[] = {CFG_TABLE(struct fit_of, fit, fit_fields, ""),
                                              CFG_TABLE(struct fit_of, plant, plant_fields, ""),
                                              CFG_TABLE(struct fit_of, twin, twin_fields, ""),
                                              CFG_END};

static enum err fit_digest(uint64_t *digest, const struct experiment *x, uint64_t traces)
{
    struct fit_of of = {.fit = x->cfg.fit, .plant = x->cfg.plant, .twin = x->cfg.twin};
    const bool queues = of.twin.kind != TWIN_MLP;
    uint64_t h;
    of.twin.file = "";
    TRY(cfg_digest(&h, queues ? queue_rows : fit_rows, &of, experiment_hash_file, NULL));
    h = hash_word(hash_word(HASH_START, h), traces);
    *digest = hash_word(h, (uint64_t)of.twin.kind);
    return ERR_OK;
}

/* The stages of run i, whose training is `x`. */
static enum err add_stages(struct ablate_plan *p, const struct experiment *x, int i)
{
    const struct ablation_run *r = &p->runs[i];
    uint64_t traces, twin;
    int from;
    p->twins[i] = -1;
    if (!p->spec->variants[r->variant].made_twin ||
        ablation_collect(p->spec, r->scenario)[0] == '\0') {
        return ERR_OK;
    }
    TRY(collection_digest(&traces, p, i));
    TRY(find_stage(&from, p, false, traces, i, -1));
    TRY(fit_digest(&twin, x, traces));
    return find_stage(&p->twins[i], p, true, twin, i, from);
}

/* ---- all runs ---- */

/* The run before i with the same variant and scenario, -1: there is none. */
static int first_like(const struct ablate_plan *p, int i)
{
    for (int j = 0; j < i; j++) {
        if (p->runs[j].variant == p->runs[i].variant &&
            p->runs[j].scenario == p->runs[i].scenario) {
            return j;
        }
    }
    return -1;
}

static enum err blame(const struct ablate_plan *p, const struct cfg *src_locs, int i, enum err e)
{
    char key[48];
    if (e != ERR_CONFIG) {
        return e;
    }
    (void)snprintf(key, sizeof key, "variants.%d", p->runs[i].variant);
    return cfg_error(src_locs, key, "variant '%s' cannot be run in scenario '%s', as said above",
                     p->lines[i].variant, p->lines[i].scenario);
}

/* TEST episodes, and what is not measured on the simulator. */
static enum err check_evaluation(struct ablate_plan *p, const struct experiment *x)
{
    p->on_test = p->on_test || x->cfg.eval.split == RNG_TEST_SPLIT;
    return x->cfg.eval.plant == PLANT_KIND_CLUSTER
               ? ERR_OK
               : cfg_error(&x->reader, "eval.plant",
                           "an ablation is evaluated on the simulator; leave it out, and play in "
                           "a twin afterwards: karma eval DIR/compared/SCENARIO.yaml --set "
                           "eval.plant=twin");
}

/* ---- arms of claims ---- */

/* Notes which arms of claims the evaluation of run i plays. */
static enum err note_arms(struct ablate_plan *p, const struct eval_cfg *eval, int i)
{
    for (int k = 0; k < 2 * p->spec->n_claims; k++) {
        struct ablate_arm *arm = &p->arms[k];
        const char *scenario = p->spec->claims[k / 2].scenario;
        if (scenario[0] != '\0' && strcmp(scenario, p->lines[i].scenario) != 0) {
            continue;
        }
        for (int c = 0; c < eval->n_controllers && !arm->found; c++) {
            const char *name = arena_strdup(p->arena, controller_label(&eval->controllers[c]));
            TRY(arena_error(p->arena));
            nearest_offer(&arm->near, name);
            arm->found = strcmp(name, arm->near.typed) == 0;
        }
    }
    return ERR_OK;
}

/* A mistyped arm would be noticed by the report only, when everything has been run. */
static enum err check_arms(const struct ablate_plan *p, const struct cfg *src_locs)
{
    for (int k = 0; k < 2 * p->spec->n_claims; k++) {
        const char *scenario = p->spec->claims[k / 2].scenario;
        const char *word = nearest_word(&p->arms[k].near);
        char key[48];
        if (p->arms[k].found) {
            continue;
        }
        (void)snprintf(key, sizeof key, "claims.%d.%s", k / 2, k % 2 == 0 ? "arm" : "baseline");
        return cfg_error(
            src_locs, key,
            "no variant has the label '%s' and no evaluation%s%s plays a controller of "
            "that name%s%s%s",
            p->arms[k].near.typed, scenario[0] != '\0' ? " in scenario " : "", scenario,
            word != NULL ? "; did you mean '" : "", word != NULL ? word : "",
            word != NULL ? "'?" : "");
    }
    return ERR_OK;
}

static enum err plan_evaluation(struct ablate_plan *p, int i, bool of_training)
{
    struct experiment x;
    TRY(ablate_load_evaluation(&x, p, i));
    enum err e = check_evaluation(p, &x);
    if (e == ERR_OK) {
        e = evaluation_digest(&p->evaluations[i], &x, of_training);
    }
    if (e == ERR_OK) {
        e = note_arms(p, &x.cfg.eval, i);
    }
    experiment_release(&x);
    return e;
}

/* Trainings of all seeds of this variant in this scenario, from i on. */
static enum err plan_trainings(struct ablate_plan *p, struct experiment *x, int i)
{
    TRY(add_stages(p, x, i));
    for (int j = i; j < p->n; j++) {
        if (p->runs[j].variant == p->runs[i].variant &&
            p->runs[j].scenario == p->runs[i].scenario) {
            p->twins[j] = p->twins[i];
            TRY(training_digest(&p->trainings[j], p, x, j));
        }
    }
    return ERR_OK;
}

static enum err plan_run(struct ablate_plan *p, int i)
{
    const bool trains = p->spec->variants[p->runs[i].variant].kind == ABLATION_TRAINING;
    const int before = first_like(p, i);
    struct experiment x;
    if (before >= 0) {
        p->evaluations[i] = p->evaluations[before];
        return ERR_OK;
    }
    if (trains) {
        TRY(ablate_load_training(&x, p, i, false));
        const enum err e = plan_trainings(p, &x, i);
        experiment_release(&x);
        TRY(e);
    }
    return plan_evaluation(p, i, trains);
}

static enum err make_lines(struct ablate_plan *p)
{
    for (int i = 0; i < p->n; i++) {
        const struct ablation_variant *v = &p->spec->variants[p->runs[i].variant];
        p->twins[i] = -1;
        p->lines[i] =
            (struct ablation_line){.number = i + 1,
                                   .variant = v->name,
                                   .scenario = p->spec->scenarios[p->runs[i].scenario].name,
                                   .kind = cfg_choice_name(ablation_kinds, v->kind),
                                   .label = ablation_label(v),
                                   .seed = p->runs[i].seed,
                                   .twin = "",
                                   .state = ABLATION_WAITING};
    }
    return ERR_OK;
}

static enum err make_room(struct ablate_plan *p)
{
    TRY(ablation_runs(&p->runs, &p->n, p->spec, p->arena));
    p->lines = ARENA_NEW(p->arena, p->n, struct ablation_line);
    p->twins = ARENA_NEW(p->arena, p->n, int);
    p->trainings = ARENA_NEW(p->arena, p->n, uint64_t);
    p->evaluations = ARENA_NEW(p->arena, p->n, uint64_t);
    p->stages = ARENA_NEW(p->arena, 2 * p->n, struct ablate_stage);
    p->arms = ARENA_NEW(p->arena, 2 * p->spec->n_claims, struct ablate_arm);
    TRY(arena_error(p->arena));
    for (int c = 0; c < p->spec->n_claims; c++) {
        p->arms[2 * c].near = nearest_to(p->spec->claims[c].arm);
        p->arms[2 * c + 1].near = nearest_to(p->spec->claims[c].baseline);
    }
    return ERR_OK;
}

/* The digest of the whole is that of its runs, named, and of the claims. */
static enum err finish(struct ablate_plan *p)
{
    uint64_t h = HASH_START;
    for (int i = 0; i < p->n; i++) {
        struct ablation_line *l = &p->lines[i];
        l->digest = hash_word(hash_word(HASH_START, p->trainings[i]), p->evaluations[i]);
        if (p->twins[i] >= 0) {
            l->twin = arena_printf(p->arena, "%016" PRIx64, p->stages[p->twins[i]].digest);
        }
        h = hash_text(hash_text(h, l->variant), l->scenario);
        h = hash_word(hash_word(h, l->seed), l->digest);
    }
    for (int c = 0; c < p->spec->n_claims; c++) {
        const struct ablation_claim *claim = &p->spec->claims[c];
        h = hash_text(hash_text(h, claim->arm), claim->baseline);
        h = hash_text(hash_text(h, claim->scenario), claim->metric);
        h = hash_word(h, claim->primary ? 1 : 0);
        if (claim->level > 0.0) { /* came later */
            h = hash_fnv1a(h, &claim->level, sizeof claim->level);
        }
    }
    p->digest = h;
    return arena_error(p->arena);
}

enum err ablate_plan_init(struct ablate_plan *p, struct arena *arena,
                          const struct ablation_spec *spec, const struct cfg *src_locs,
                          const char *spec_path, const char *dir)
{
    *p = (struct ablate_plan){.spec = spec, .spec_path = spec_path, .dir = dir, .arena = arena};
    TRY(make_room(p));
    TRY(make_lines(p));
    for (int i = 0; i < p->n; i++) {
        const enum err e = plan_run(p, i);
        if (e != ERR_OK) {
            return blame(p, src_locs, i, e);
        }
    }
    TRY(check_arms(p, src_locs));
    return finish(p);
}
