/* The rows of a spec, its checks, and the order of its runs. See ablation.h. */
#include "core/eval/ablation.h"

#include "core/eval/claim_metric.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const struct cfg_choice ablation_kinds[] = {
    {"training", ABLATION_TRAINING, "is trained with each seed, and its policy is played"},
    {"controllers", ABLATION_CONTROLLERS, "plays eval.controllers and eval.frontier; no training"},
    {NULL, 0, NULL},
};

#define SETTINGS_ROW(S, doc) CFG_LIST_STRING(S, settings, n_settings, "[]", 0, 64, CFG_RESULT, doc)
#define INCLUDE_ROW(S, doc)                                                                        \
    CFG_LIST_PATH(S, include, n_include, "[]", 0, ABLATION_FILES_MAX, CFG_RESULT, doc)

static const struct cfg_field scenario_rows[] = {
    CFG_STRING(struct ablation_scenario, name, CFG_REQUIRED, CFG_RESULT,
               "of a directory: letters, digits, '.', '_', '-'"),
    INCLUDE_ROW(struct ablation_scenario,
                "files for collection, training and evaluation, such as configs/scenarios"),
    SETTINGS_ROW(struct ablation_scenario, "KEY=VALUE, for the same"),
    CFG_PATH(struct ablation_scenario, collect, "", CFG_RESULT,
             "in the place of the collection of the spec; empty = that one"),
    CFG_LIST_STRING(struct ablation_scenario, collect_settings, n_collect_settings, "[]", 0, 64,
                    CFG_RESULT, "KEY=VALUE, for the collection alone"),
    CFG_END,
};

static const struct cfg_field variant_rows[] = {
    CFG_STRING(struct ablation_variant, name, CFG_REQUIRED, CFG_RESULT,
               "of a directory: letters, digits, '.', '_', '-'"),
    CFG_STRING(struct ablation_variant, label, "", CFG_RESULT,
               "name in tables and in eval.csv; empty = the name"),
    CFG_ENUM(struct ablation_variant, kind, "training", ablation_kinds, CFG_RESULT,
             "what its runs do"),
    INCLUDE_ROW(struct ablation_variant,
                "files behind those of base, before those of the scenario"),
    SETTINGS_ROW(struct ablation_variant, "KEY=VALUE, behind those of the spec and the scenario"),
    CFG_LIST_UINT64(struct ablation_variant, seeds, n_seeds, "[]", 0, ABLATION_SEEDS_MAX,
                    CFG_RESULT, "in the place of the seeds of the spec; none = those"),
    CFG_LIST_STRING(struct ablation_variant, scenarios, n_scenarios, "[]", 0,
                    ABLATION_SCENARIOS_MAX, CFG_RESULT, "names of its scenarios; none = all"),
    CFG_BOOL(struct ablation_variant, made_twin, "true", CFG_RESULT,
             "trains in the twin that is made for its scenario; false = as configured"),
    CFG_BOOL(struct ablation_variant, sampled, "false", CFG_RESULT,
             "its policy is played once more with choices drawn, as LABEL sampled"),
    CFG_STRING(struct ablation_variant, sweep, "", CFG_OUTPUT | CFG_LATER,
               "its policies are a point of the frontier of that name; empty = of none"),
    CFG_END,
};

static const struct cfg_field claim_rows[] = {
    CFG_STRING(struct ablation_claim, name, "", CFG_RESULT,
               "for the report; empty = ARM, BASELINE"),
    CFG_STRING(struct ablation_claim, arm, CFG_REQUIRED, CFG_RESULT,
               "label of a variant, or name of a controller"),
    CFG_STRING(struct ablation_claim, baseline, CFG_REQUIRED, CFG_RESULT, "the other one"),
    CFG_STRING(struct ablation_claim, scenario, "", CFG_RESULT, "empty = all of them together"),
    CFG_STRING(struct ablation_claim, metric, "slo_attainment", CFG_RESULT,
               "of which the arm has the better value (core/eval/claim_metric.h)"),
    CFG_DOUBLE(struct ablation_claim, level, "0", 0, 1, "", CFG_RESULT | CFG_LATER,
               "of the metric convergence: share of the headroom that counts; 0 = the criterion of "
               "core/eval/converged.h"),
    CFG_BOOL(struct ablation_claim, primary, "true", CFG_RESULT,
             "the primary ones are corrected together (Holm)"),
    CFG_END,
};

const struct cfg_field ablation_fields[] = {
    CFG_STRING(struct ablation_spec, dir, "results/ablations/default", CFG_OUTPUT,
               "where everything goes"),
    CFG_STRING(struct ablation_spec, preregistered, "", CFG_OUTPUT,
               "digest of the spec (karma ablate --preregister), needed for TEST episodes"),
    CFG_LIST_PATH(struct ablation_spec, base, n_base, "[]", 0, ABLATION_FILES_MAX, CFG_RESULT,
                  "configuration of every training"),
    CFG_LIST_STRING(struct ablation_spec, settings, n_settings, "[]", 0, 64, CFG_RESULT,
                    "KEY=VALUE, for every training"),
    CFG_PATH(struct ablation_spec, evaluation, CFG_REQUIRED, CFG_RESULT,
             "configuration of every evaluation; its controllers are replaced"),
    CFG_LIST_STRING(struct ablation_spec, evaluation_settings, n_evaluation_settings, "[]", 0, 64,
                    CFG_RESULT, "KEY=VALUE, for every evaluation"),
    CFG_PATH(struct ablation_spec, collect, "", CFG_RESULT,
             "configuration of the traces that a twin is fitted to first; empty = no twin is made"),
    CFG_LIST_STRING(struct ablation_spec, collect_settings, n_collect_settings, "[]", 0, 64,
                    CFG_RESULT, "KEY=VALUE, for the collection"),
    CFG_DOUBLE(struct ablation_spec, validation, "0.15", 0, 0.9, "", CFG_RESULT,
               "share of the collected episodes that a fit is validated on"),
    CFG_DOUBLE(struct ablation_spec, held_out, "0.15", 0, 0.9, "", CFG_RESULT,
               "share of the collected episodes that no fit sees"),
    CFG_LIST_UINT64(struct ablation_spec, seeds, n_seeds, "[1]", 1, ABLATION_SEEDS_MAX, CFG_RESULT,
                    "train.seed of the trainings of each variant"),
    CFG_LIST(struct ablation_spec, scenarios, n_scenarios, struct ablation_scenario, scenario_rows,
             "[{name: configured}]", 1, ABLATION_SCENARIOS_MAX,
             "where every variant is trained and evaluated"),
    CFG_LIST(struct ablation_spec, variants, n_variants, struct ablation_variant, variant_rows,
             "[]", 0, ABLATION_VARIANTS_MAX, "what is compared"),
    CFG_LIST(struct ablation_spec, claims, n_claims, struct ablation_claim, claim_rows, "[]", 0,
             ABLATION_CLAIMS_MAX, "comparisons fixed beforehand"),
    CFG_END,
};

enum err ablation_doc(struct buf *out)
{
    return cfg_doc(out, ablation_fields);
}

const char *ablation_label(const struct ablation_variant *v)
{
    return v->label[0] != '\0' ? v->label : v->name;
}

/* ---- checks ---- */

struct key {
    char text[96];
};

static struct key key_of(const char *list, int i, const char *member)
{
    struct key k;
    (void)snprintf(k.text, sizeof k.text, "%s.%d.%s", list, i, member);
    return k;
}

static bool is_name(const char *name)
{
    static const char *const allowed = "abcdefghijklmnopqrstuvwxyz"
                                       "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    const size_t n = strlen(name);
    return n > 0 && n < 64 && name[0] != '.' && name[0] != '-' && strspn(name, allowed) == n;
}

static enum err check_name(const struct cfg *src_locs, const char *list, int i, const char *name)
{
    return is_name(name)
               ? ERR_OK
               : cfg_error(src_locs, key_of(list, i, "name").text,
                           "'%s' cannot be the name of a directory; use up to 63 letters, digits, "
                           "'.', '_' and '-', the first one a letter or a digit (a label may have "
                           "any words)",
                           name);
}

static enum err check_scenarios(const struct ablation_spec *spec, const struct cfg *src_locs)
{
    for (int i = 0; i < spec->n_scenarios; i++) {
        TRY(check_name(src_locs, "scenarios", i, spec->scenarios[i].name));
        for (int j = 0; j < i; j++) {
            if (strcmp(spec->scenarios[i].name, spec->scenarios[j].name) == 0) {
                return cfg_error(src_locs, key_of("scenarios", i, "name").text,
                                 "there are two scenarios '%s'; rename one",
                                 spec->scenarios[i].name);
            }
        }
        if (spec->scenarios[i].n_collect_settings > 0 && ablation_collect(spec, i)[0] == '\0') {
            return cfg_error(src_locs, key_of("scenarios", i, "collect_settings").text,
                             "there is no collection that these belong to; name one with collect, "
                             "or leave them out");
        }
    }
    return ERR_OK;
}

/* -1: there is none. `near` collects the names. */
static int find_scenario(const struct ablation_spec *spec, const char *name, struct nearest *near)
{
    for (int i = 0; i < spec->n_scenarios; i++) {
        nearest_offer(near, spec->scenarios[i].name);
        if (strcmp(spec->scenarios[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

static enum err check_scenario_name(const struct ablation_spec *spec, const struct cfg *src_locs,
                                    const char *key, const char *name)
{
    struct nearest near = nearest_to(name);
    if (find_scenario(spec, name, &near) >= 0) {
        return ERR_OK;
    }
    const char *word = nearest_word(&near);
    return cfg_error(src_locs, key, "there is no scenario '%s'%s%s%s", name,
                     word != NULL ? "; did you mean '" : "; the spec lists them under scenarios",
                     word != NULL ? word : "", word != NULL ? "'?" : "");
}

static enum err check_seeds(const struct cfg *src_locs, const char *key, const uint64_t *seeds,
                            int n)
{
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < i; j++) {
            if (seeds[i] == seeds[j]) {
                return cfg_error(src_locs, key,
                                 "seed %" PRIu64 " occurs twice; two trainings with one seed are "
                                 "one training",
                                 seeds[i]);
            }
        }
    }
    return ERR_OK;
}

/* A label is the name of a controller in eval.csv, so two variants of one scenario cannot share
 * it; that of a sampled policy is LABEL sampled. */
static bool labels_collide(const struct ablation_variant *a, const struct ablation_variant *b)
{
    const char *la = ablation_label(a), *lb = ablation_label(b);
    const size_t na = strlen(la), nb = strlen(lb);
    return strcmp(la, lb) == 0 ||
           (a->sampled && strncmp(lb, la, na) == 0 && strcmp(lb + na, " sampled") == 0) ||
           (b->sampled && strncmp(la, lb, nb) == 0 && strcmp(la + nb, " sampled") == 0);
}

static enum err check_distinct(const struct ablation_spec *spec, const struct cfg *src_locs, int i)
{
    const struct ablation_variant *v = &spec->variants[i];
    for (int j = 0; j < i; j++) {
        const struct ablation_variant *w = &spec->variants[j];
        if (strcmp(v->name, w->name) == 0) {
            return cfg_error(src_locs, key_of("variants", i, "name").text,
                             "there are two variants '%s'; rename one", v->name);
        }
        if (labels_collide(v, w)) {
            return cfg_error(src_locs, key_of("variants", i, "label").text,
                             "the variants '%s' and '%s' have the same name in tables; give one "
                             "another label",
                             w->name, v->name);
        }
    }
    return ERR_OK;
}

static enum err check_controllers(const struct ablation_variant *v, const struct cfg *src_locs,
                                  int i)
{
    if (v->n_seeds > 0) {
        return cfg_error(src_locs, key_of("variants", i, "seeds").text,
                         "'%s' plays controllers and trains nothing, so it has no seeds; leave "
                         "them out",
                         v->name);
    }
    if (v->sweep[0] != '\0') {
        return cfg_error(src_locs, key_of("variants", i, "sweep").text,
                         "'%s' plays controllers; give the policies there a sweep: {policy: "
                         "{sweep: ...}}",
                         v->name);
    }
    return v->sampled
               ? cfg_error(src_locs, key_of("variants", i, "sampled").text,
                           "'%s' plays controllers; list the mode of each policy there", v->name)
               : ERR_OK;
}

static enum err check_variant(const struct ablation_spec *spec, const struct cfg *src_locs, int i)
{
    const struct ablation_variant *v = &spec->variants[i];
    TRY(check_name(src_locs, "variants", i, v->name));
    TRY(check_distinct(spec, src_locs, i));
    TRY(check_seeds(src_locs, key_of("variants", i, "seeds").text, v->seeds, v->n_seeds));
    for (int s = 0; s < v->n_scenarios; s++) {
        const struct key key = key_of("variants", i, "scenarios");
        TRY(check_scenario_name(spec, src_locs, key.text, v->scenarios[s]));
    }
    if (v->kind == ABLATION_CONTROLLERS) {
        return check_controllers(v, src_locs, i);
    }
    return spec->n_base + v->n_include > 0
               ? ERR_OK
               : cfg_error(src_locs, "base",
                           "is empty, and so is include of the variant '%s': there is no "
                           "configuration to train; name one under base",
                           v->name);
}

/* Arms are labels or names of controllers, which only the configurations know. */
static enum err check_claims(const struct ablation_spec *spec, const struct cfg *src_locs)
{
    for (int i = 0; i < spec->n_claims; i++) {
        const struct ablation_claim *c = &spec->claims[i];
        struct nearest near = nearest_to(c->metric);
        struct claim_metric metric;
        if (!claim_metric_find(&metric, c->metric, &near)) {
            const char *word = nearest_word(&near);
            return cfg_error(src_locs, key_of("claims", i, "metric").text,
                             "there is no metric '%s'; did you mean '%s'?", c->metric,
                             word != NULL ? word : "slo_attainment");
        }
        if (c->level > 0.0 && metric.of != CLAIM_OF_TRAININGS) {
            return cfg_error(src_locs, key_of("claims", i, "level").text,
                             "'%s' has no level; a level belongs to metric: convergence",
                             c->metric);
        }
        if (c->scenario[0] != '\0') {
            TRY(check_scenario_name(spec, src_locs, key_of("claims", i, "scenario").text,
                                    c->scenario));
        }
        if (strcmp(c->arm, c->baseline) == 0) {
            return cfg_error(src_locs, key_of("claims", i, "baseline").text,
                             "'%s' is compared with itself", c->arm);
        }
    }
    return ERR_OK;
}

enum err ablation_check(const struct ablation_spec *spec, const struct cfg *src_locs)
{
    if (spec->n_variants == 0) {
        return cfg_error(src_locs, "variants",
                         "is empty, so there is nothing to run; list what is to be compared "
                         "(docs/ablations.md)");
    }
    TRY(check_scenarios(spec, src_locs));
    TRY(check_seeds(src_locs, "seeds", spec->seeds, spec->n_seeds));
    for (int i = 0; i < spec->n_variants; i++) {
        TRY(check_variant(spec, src_locs, i));
    }
    return check_claims(spec, src_locs);
}

/* ---- runs ---- */

static bool in_scenario(const struct ablation_spec *spec, int variant, int scenario)
{
    const struct ablation_variant *v = &spec->variants[variant];
    for (int i = 0; i < v->n_scenarios; i++) {
        if (strcmp(v->scenarios[i], spec->scenarios[scenario].name) == 0) {
            return true;
        }
    }
    return v->n_scenarios == 0;
}

/* The i-th seed of a variant; false: it has fewer. */
static bool seed_of(uint64_t *seed, const struct ablation_spec *spec, int variant, int i)
{
    const struct ablation_variant *v = &spec->variants[variant];
    const bool own = v->n_seeds > 0;
    if (v->kind == ABLATION_CONTROLLERS) {
        *seed = 0;
        return i == 0;
    }
    if (i >= (own ? v->n_seeds : spec->n_seeds)) {
        return false;
    }
    *seed = own ? v->seeds[i] : spec->seeds[i];
    return true;
}

static int most_seeds(const struct ablation_spec *spec)
{
    int most = spec->n_seeds;
    for (int i = 0; i < spec->n_variants; i++) {
        most = spec->variants[i].n_seeds > most ? spec->variants[i].n_seeds : most;
    }
    return most;
}

/* Puts the runs into `runs` (NULL: only counts them). */
static int put_runs(struct ablation_run *runs, const struct ablation_spec *spec)
{
    int n = 0;
    for (int i = 0; i < most_seeds(spec); i++) {
        for (int s = 0; s < spec->n_scenarios; s++) {
            for (int v = 0; v < spec->n_variants; v++) {
                uint64_t seed;
                if (!in_scenario(spec, v, s) || !seed_of(&seed, spec, v, i)) {
                    continue;
                }
                if (runs != NULL) {
                    runs[n] = (struct ablation_run){.variant = v, .scenario = s, .seed = seed};
                }
                n++;
            }
        }
    }
    return n;
}

enum err ablation_runs(struct ablation_run **runs, int *n, const struct ablation_spec *spec,
                       struct arena *arena)
{
    *n = put_runs(NULL, spec);
    *runs = ARENA_NEW(arena, *n, struct ablation_run);
    TRY(arena_error(arena));
    (void)put_runs(*runs, spec);
    return ERR_OK;
}

const char *ablation_collect(const struct ablation_spec *spec, int scenario)
{
    const char *own = spec->scenarios[scenario].collect;
    return own[0] != '\0' ? own : spec->collect;
}

/* ---- what a configuration is made of ---- */

static void add_files(struct ablation_sources *s, const char *const *files, int n)
{
    for (int i = 0; i < n; i++) {
        s->files[s->n_files++] = (struct cfg_source){.path = files[i]};
    }
}

static void add_sets(struct ablation_sources *s, const char *const *sets, int n)
{
    for (int i = 0; i < n; i++) {
        s->sets[s->n_sets++] = sets[i];
    }
}

/* What stands in front of the scenario's. */
static void add_first(struct ablation_sources *s, const struct ablation_spec *spec, int scenario,
                      enum ablation_part part)
{
    const char *collect = ablation_collect(spec, scenario);
    switch (part) {
    case ABLATION_TRAIN:
        add_files(s, spec->base, spec->n_base);
        add_sets(s, spec->settings, spec->n_settings);
        break;
    case ABLATION_EVALUATE:
        add_files(s, &spec->evaluation, 1);
        add_sets(s, spec->evaluation_settings, spec->n_evaluation_settings);
        break;
    case ABLATION_COLLECT:
        add_files(s, &collect, 1);
        add_sets(s, spec->collect_settings, spec->n_collect_settings);
        add_sets(s, spec->scenarios[scenario].collect_settings,
                 spec->scenarios[scenario].n_collect_settings);
        break;
    }
}

enum err ablation_sources(struct ablation_sources *out, const struct ablation_spec *spec,
                          const struct ablation_run *r, enum ablation_part part, int n_free,
                          struct arena *arena)
{
    const struct ablation_scenario *scenario = &spec->scenarios[r->scenario];
    const struct ablation_variant *v = &spec->variants[r->variant];
    const int n_files = spec->n_base + 1 + scenario->n_include + v->n_include;
    const int n_sets = spec->n_settings + spec->n_evaluation_settings + spec->n_collect_settings +
                       scenario->n_collect_settings + scenario->n_settings + v->n_settings;
    const bool of_variant =
        part == ABLATION_TRAIN || (part == ABLATION_EVALUATE && v->kind == ABLATION_CONTROLLERS);
    struct ablation_sources s = {.files = ARENA_NEW(arena, n_files, struct cfg_source),
                                 .sets = ARENA_NEW(arena, n_sets + n_free, const char *)};
    TRY(arena_error(arena));
    add_first(&s, spec, r->scenario, part);
    if (of_variant) { /* a whole experiment may be included; the scenario is not its own */
        add_files(&s, v->include, v->n_include);
    }
    add_files(&s, scenario->include, scenario->n_include);
    add_sets(&s, scenario->settings, scenario->n_settings);
    if (of_variant) {
        add_sets(&s, v->settings, v->n_settings);
    }
    *out = s;
    return ERR_OK;
}
