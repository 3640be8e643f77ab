/* Values are texts, read by the same reader as those of a file: so a value is right here if it is
 * right there, and the reader's own sentence says what is wrong. See tune_trials.h.
 *
 * A controller is a small configuration of its own (`one`): its resolved text, and a --set for each
 * key. */
#include "mpi/jobs/tune_trials.h"

#include "core/base/log.h"
#include "core/base/nearest.h"
#include "core/controllers/kinds.h"
#include "core/eval/frontier.h"
#include "core/eval/search_space.h"
#include "core/eval/trial_score.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* The checks under way. */
struct checking {
    struct tune_trials *t;
    struct cfg one;             /* of a controller */
    struct controller_cfg base; /* as `one` read it */
    const char *text;           /* that it read */
    bool *integer;              /* (n_keys) */
};

static const struct tune_cfg *tune_of(const struct tune_trials *t)
{
    return &t->x->cfg.tune;
}

static bool is_training(const struct tune_trials *t)
{
    return tune_of(t)->what == TUNE_TRAINING;
}

static const struct controller_cfg *tuned(const struct tune_trials *t)
{
    return &t->x->cfg.eval.controllers[t->controller];
}

/* ---- who is tuned, against whom ---- */

static enum err find_controller(struct tune_trials *t)
{
    const struct eval_cfg *eval = &t->x->cfg.eval;
    const char *name = tune_of(t)->controller;
    struct nearest near = nearest_to(name);
    if (name[0] == '\0') {
        log_error("%s: tune.controller is missing: name the one of eval.controllers that is to be "
                  "tuned, and under tune.keys what is to be tried (docs/tuning.md)",
                  t->source.path);
        return ERR_CONFIG;
    }
    for (int c = 0; c < eval->n_controllers - eval->n_joined; c++) {
        const char *label = controller_label(&eval->controllers[c]);
        if (strcmp(label, name) == 0) {
            t->controller = c;
            return ERR_OK;
        }
        nearest_offer(&near, label);
    }
    const char *word = nearest_word(&near);
    return cfg_error(&t->x->reader, "tune.controller",
                     "there is no controller '%s' in eval.controllers%s%s%s", name,
                     word != NULL ? "; did you mean '" : "", word != NULL ? word : "",
                     word != NULL ? "'?" : "");
}

/* A policy is trained by each trial; a rule cannot be. */
static enum err check_what(const struct tune_trials *t)
{
    if (is_training(t) && !controller_needs(tuned(t), CONTROLLER_NEEDS_POLICY)) {
        return cfg_error(&t->x->reader, "tune.controller",
                         "'%s' plays no policy, so no training can be tuned for it; name a "
                         "controller of the method policy, or set tune.what to controller",
                         tune_of(t)->controller);
    }
    return ERR_OK;
}

static enum err refuse_reference(const struct tune_trials *t)
{
    struct buf b;
    buf_init(&b);
    enum err e = ERR_OK;
    for (int i = 0; e == ERR_OK && i < frontier_n_kinds(); i++) {
        e = buf_printf(&b, "%s%s", i > 0 ? ", " : "", frontier_kind(i)->cfg.name);
    }
    if (e == ERR_OK) {
        e = cfg_error(&t->x->reader, "tune.reference",
                      "'%s' is no method whose arms form a frontier; there are %.*s",
                      tune_of(t)->reference, (int)b.len, (const char *)b.data);
    }
    buf_release(&b);
    return e;
}

static enum err check_reference(const struct tune_trials *t)
{
    const struct controller_kind *kind = trial_reference(tune_of(t)->reference);
    const struct eval_cfg *eval = &t->x->cfg.eval;
    if (tune_of(t)->objective != TUNE_EQUAL_COST) {
        return ERR_OK;
    }
    if (kind == NULL) {
        return refuse_reference(t);
    }
    for (int c = 0; c < eval->n_controllers; c++) {
        if (c != t->controller && frontier_has(kind, eval, c)) {
            return ERR_OK;
        }
    }
    return cfg_error(&t->x->reader, "tune.reference",
                     "there is no other arm of '%s' in eval.controllers and eval.frontier, so "
                     "there is no frontier; list some, or set tune.objective to priced",
                     kind->cfg.name);
}

/* ---- one value ---- */

/* The first error that a reader logs. */
struct refusal {
    char text[1200];
};

static void keep_first(void *ctx, enum log_level level, const char *line)
{
    struct refusal *r = ctx;
    if (level == LOG_ERROR && r->text[0] == '\0') {
        (void)snprintf(r->text, sizeof r->text, "%s", line);
    }
}

/* What the reader says, without its own place. */
static const char *sentence_of(const struct refusal *r, const char *set)
{
    const char *found = strstr(r->text, set);
    if (found == NULL) {
        return r->text;
    }
    found += strlen(set);
    return strncmp(found, ": ", 2) == 0 ? found + 2 : found;
}

static enum err read_one(struct checking *c, struct controller_cfg *out, const char *const *sets,
                         int n)
{
    return cfg_load_text(&c->one, "trial", c->text, sets, n, out);
}

static enum err read_set(struct checking *c, const char *set)
{
    const struct tune_trials *t = c->t;
    if (!is_training(t)) {
        struct controller_cfg out;
        return read_one(c, &out, &set, 1);
    }
    const int n = t->source.n_sets;
    const char **sets = ARENA_NEW(t->arena, n + 1, const char *);
    struct experiment_cfg cfg;
    struct cfg reader;
    TRY(arena_error(t->arena));
    for (int i = 0; i < n; i++) {
        sets[i] = t->source.sets[i];
    }
    sets[n] = set;
    cfg_init(&reader, experiment_fields, sizeof cfg, t->arena);
    return cfg_load(&reader, t->source.path, sets, n + 1, &cfg);
}

/* "ff.utilisation=0.7", or "mappo.lr=0.01". */
static const char *set_of(const struct tune_trials *t, struct arena *arena, int key,
                          const char *value)
{
    return is_training(t) ? arena_printf(arena, "%s=%s", tune_of(t)->keys[key].key, value)
                          : arena_printf(arena, "%s.%s=%s", controller_kind(tuned(t))->cfg.name,
                                         tune_of(t)->keys[key].key, value);
}

/* `row`: from, to or choices, at which a message points. */
static enum err try_value(struct checking *c, int key, const char *row, const char *value)
{
    struct tune_trials *t = c->t;
    struct refusal refusal = {.text = ""};
    const char *set = value != NULL ? set_of(t, t->arena, key, value) : NULL;
    const char *place = arena_printf(t->arena, "%s.%s", tune_key_name(key).text, row);
    TRY(arena_error(t->arena));
    const struct log_sink before = log_sink_now();
    log_set_sink(keep_first, &refusal);
    const enum err e = read_set(c, set);
    log_set_sink(before.sink, before.ctx);
    return e != ERR_CONFIG ? e : cfg_error(&t->x->reader, place, "%s", sentence_of(&refusal, set));
}

/* ---- one key ---- */

/* The section of a key that trials of a training may change. */
static bool is_of_training(const char *key)
{
    const size_t n = strcspn(key, ".");
    for (const struct cfg_field *f = experiment_training_fields; f->name != NULL; f++) {
        if (strlen(f->name) == n && strncmp(f->name, key, n) == 0) {
            return true;
        }
    }
    return false;
}

/* An element of a list has a number among its parts. It has no place in best.yaml, where a list
 * replaces the whole list. */
static bool has_index(const char *key)
{
    for (const char *at = key; at != NULL; at = strchr(at, '.')) {
        at += *at == '.' ? 1 : 0;
        const size_t n = strcspn(at, ".");
        if (n > 0 && strspn(at, "0123456789") >= n) {
            return true;
        }
    }
    return false;
}

static enum err refuse_training_key(const struct tune_trials *t, const char *place, const char *key)
{
    const struct cfg *src_locs = &t->x->reader;
    if (strcmp(key, "train.seed") == 0) {
        return cfg_error(src_locs, place,
                         "'%s' is no setting but chance; say with tune.train_seeds which seeds "
                         "each trial is trained with",
                         key);
    }
    if (strcmp(key, "train.updates") == 0 && tune_of(t)->search == TUNE_HALVING) {
        return cfg_error(src_locs, place,
                         "'%s' is what the rungs of tune.search: halving divide; leave it out, or "
                         "set tune.search to random",
                         key);
    }
    if (has_index(key)) {
        return cfg_error(src_locs, place,
                         "'%s' is an element of a list; name the whole list, and give choices such "
                         "as \"[64, 64]\"",
                         key);
    }
    return ERR_OK;
}

/* Names of the parameters of a kind, for messages. */
static enum err print_parameters(struct buf *b, const struct controller_kind *kind)
{
    const char *separator = "";
    for (const struct cfg_field *f = kind->cfg.table; f->name != NULL; f++) {
        if (f->type != CFG_TYPE_RENAMED && f->type != CFG_TYPE_ONE_OF) {
            TRY(buf_printf(b, "%s%s", separator, f->name));
            separator = ", ";
        }
    }
    return *separator == '\0' ? buf_printf(b, "nothing") : ERR_OK;
}

/* Why the key is no parameter: it is one of the configuration, of another method, or of none. */
static const char *why_unknown(const struct tune_trials *t, const char *key)
{
    const struct controller_kind *own = controller_kind(tuned(t));
    struct cfg_value value;
    if (cfg_find_value(&value, &t->x->reader, &t->x->cfg, key)) {
        return "is a key of the configuration, which all trials share";
    }
    for (int i = 0; controller_kind_at(i) != NULL; i++) {
        const struct controller_kind *kind = controller_kind_at(i);
        for (const struct cfg_field *f = kind->cfg.table; kind != own && f->name != NULL; f++) {
            if (strcmp(f->name, key) == 0) {
                return arena_printf(t->arena, "is a parameter of %s", kind->cfg.name);
            }
        }
    }
    struct nearest near = nearest_to(key);
    for (const struct cfg_field *f = own->cfg.table; f->name != NULL; f++) {
        nearest_offer(&near, f->name);
    }
    return nearest_word(&near) != NULL
               ? arena_printf(t->arena, "is unknown; did you mean '%s'?", nearest_word(&near))
               : "is unknown";
}

static enum err refuse_controller_key(const struct tune_trials *t, const char *place,
                                      const char *key)
{
    const struct controller_kind *kind = controller_kind(tuned(t));
    const char *why = why_unknown(t, key);
    struct buf b;
    TRY(arena_error(t->arena));
    buf_init(&b);
    enum err e = print_parameters(&b, kind);
    if (e == ERR_OK) {
        e = cfg_error(&t->x->reader, place,
                      "'%s' is no parameter of the controller '%s', whose method is %s: it %s. The "
                      "parameters of %s are: %.*s",
                      key, tune_of(t)->controller, kind->cfg.name, why, kind->cfg.name, (int)b.len,
                      (const char *)b.data);
    }
    buf_release(&b);
    return e;
}

/* The value that the configuration has, or a sentence. */
static enum err find_key(struct cfg_value *value, const struct checking *c, int i)
{
    const struct tune_trials *t = c->t;
    const char *key = tune_of(t)->keys[i].key;
    const char *place = arena_printf(t->arena, "%s.key", tune_key_name(i).text);
    const char *own = arena_printf(t->arena, "%s.%s", controller_kind(tuned(t))->cfg.name, key);
    TRY(arena_error(t->arena));
    if (!is_training(t)) {
        return cfg_find_value(value, &c->one, &c->base, own) ? ERR_OK
                                                             : refuse_controller_key(t, place, key);
    }
    TRY(refuse_training_key(t, place, key));
    if (!cfg_find_value(value, &t->x->reader, &t->x->cfg, key)) {
        return cfg_error(&t->x->reader, place,
                         "there is no value '%s' in the configuration; `karma config doc` lists "
                         "all keys",
                         key);
    }
    return is_of_training(key)
               ? ERR_OK
               : cfg_error(&t->x->reader, place,
                           "'%s' does not change what a training learns, so it cannot be tuned",
                           key);
}

static bool is_integer(enum cfg_type type)
{
    return type == CFG_TYPE_INT || type == CFG_TYPE_INT64 || type == CFG_TYPE_UINT64;
}

/* Both ends of a range, read as values. */
static enum err check_range(struct checking *c, int i, enum cfg_type type)
{
    const struct tune_key *k = &tune_of(c->t)->keys[i];
    const struct tune_name name = tune_key_name(i);
    if (type != CFG_TYPE_DOUBLE && !is_integer(type)) {
        return cfg_error(&c->t->x->reader, name.text,
                         "'%s' is no number, so it has no range; write choices: [A, B]", k->key);
    }
    const bool whole =
        k->from == floor(k->from) && k->to == floor(k->to) && k->step == floor(k->step);
    if (is_integer(type) && !whole) {
        return cfg_error(&c->t->x->reader, name.text,
                         "'%s' is a whole number, and its range goes from %g to %g%s; give whole "
                         "numbers",
                         k->key, k->from, k->to, k->step > 0.0 ? " in other steps" : "");
    }
    TRY(try_value(c, i, "from", arena_printf(c->t->arena, "%.17g", k->from)));
    return try_value(c, i, "to", arena_printf(c->t->arena, "%.17g", k->to));
}

/* Its value in the configuration becomes that of trial 1. */
static enum err check_key(struct checking *c, int i)
{
    struct tune_trials *t = c->t;
    const struct tune_key *k = &tune_of(t)->keys[i];
    struct cfg_value value;
    struct buf b;
    TRY(find_key(&value, c, i));
    c->integer[i] = is_integer(value.type);
    for (int j = 0; j < k->n_choices; j++) {
        TRY(try_value(c, i, arena_printf(t->arena, "choices.%d", j), k->choices[j]));
    }
    if (k->n_choices == 0) {
        TRY(check_range(c, i, value.type));
    }
    buf_init(&b);
    const enum err e = cfg_print_value(&b, &value);
    t->values[i] = arena_printf(t->arena, "%.*s", (int)b.len, (const char *)b.data);
    buf_release(&b);
    return e == ERR_OK ? arena_error(t->arena) : e;
}

/* ---- one trial ---- */

const char *tune_trials_value(const struct tune_trials *t, int trial, int key)
{
    return t->values[(trial - 1) * tune_of(t)->n_keys + key];
}

const char *tune_trials_describe(const struct tune_trials *t, struct arena *arena, int trial)
{
    const char *all = "";
    for (int k = 0; all != NULL && k < tune_of(t)->n_keys; k++) {
        all = arena_printf(arena, "%s%s%s=%s", all, k > 0 ? ", " : "", tune_of(t)->keys[k].key,
                           tune_trials_value(t, trial, k));
    }
    return all;
}

static enum err draw_values(struct checking *c)
{
    struct tune_trials *t = c->t;
    const struct tune_cfg *tune = tune_of(t);
    for (int trial = 2; trial <= tune->trials; trial++) {
        for (int k = 0; k < tune->n_keys; k++) {
            t->values[(trial - 1) * tune->n_keys + k] =
                search_space_draw(t->arena, &tune->keys[k], c->integer[k], tune->seed, trial);
        }
    }
    return arena_error(t->arena);
}

/* The --set of the values; trial 1 has none, since its values stand in the configuration. */
static enum err add_values(const char **sets, int *n, const struct tune_trials *t,
                           struct arena *arena, int trial)
{
    for (int k = 0; trial > 1 && k < tune_of(t)->n_keys; k++) {
        sets[(*n)++] = set_of(t, arena, k, tune_trials_value(t, trial, k));
    }
    return arena_error(arena);
}

static enum err make_method(struct checking *c, int trial)
{
    struct tune_trials *t = c->t;
    const char *sets[TUNE_KEYS_MAX];
    struct controller_cfg out;
    int n = 0;
    TRY(add_values(sets, &n, t, t->arena, trial));
    TRY(read_one(c, &out, sets, n));
    t->methods[trial - 1] = out.method;
    return controller_method_check(arena_printf(t->arena, "trial %d", trial), &out.method,
                                   &t->x->cfg.topology);
}

/* In single quotes, where YAML wants a quote doubled. */
static const char *yaml_quoted(struct arena *arena, const char *text)
{
    char *out = ARENA_NEW(arena, 2 * strlen(text) + 3, char);
    if (out == NULL) {
        return "''";
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

enum err tune_trials_sets(const char *const **sets, int *n, const struct tune_trials *t,
                          struct arena *arena, int trial, int seed, int rung, const char *dir)
{
    enum { OWN = 4 };
    const char **all = ARENA_NEW(arena, t->source.n_sets + tune_of(t)->n_keys + OWN, const char *);
    TRY(arena_error(arena));
    *n = 0;
    for (int i = 0; i < t->source.n_sets; i++) {
        all[(*n)++] = t->source.sets[i];
    }
    TRY(add_values(all, n, t, arena, trial));
    all[(*n)++] = arena_printf(arena, "train.seed=%" PRIu64, t->train_seeds[seed]);
    all[(*n)++] = "train.learners=0"; /* one rank; no result depends on it */
    all[(*n)++] = arena_printf(arena, "run.dir=%s", yaml_quoted(arena, dir));
    if (tune_of(t)->search == TUNE_HALVING) {
        all[(*n)++] = arena_printf(arena, "train.updates=%d", t->rungs[rung].budget);
    }
    *sets = all;
    return arena_error(arena);
}

/* The configuration of a training is built, so that a contradiction is found now. */
static enum err check_training(struct tune_trials *t, int trial, int rung)
{
    const char *const *sets;
    struct experiment x;
    int n;
    TRY(tune_trials_sets(&sets, &n, t, t->arena, trial, 0, rung, "unused"));
    TRY(experiment_load(&x, t->source.path, sets, n));
    experiment_release(&x);
    return ERR_OK;
}

static enum err check_trial(struct checking *c, int trial)
{
    struct tune_trials *t = c->t;
    enum err e = ERR_OK;
    if (!is_training(t)) {
        e = make_method(c, trial);
    }
    for (int k = 0; e == ERR_OK && is_training(t) && k < t->n_rungs; k++) {
        e = check_training(t, trial, k);
    }
    if (e == ERR_CONFIG) {
        const char *values = tune_trials_describe(t, t->arena, trial);
        return cfg_error(
            &t->x->reader, "tune.keys",
            "trial %d (%s) cannot be played, as said above; narrow the ranges, or give "
            "a step",
            trial, values != NULL ? values : "");
    }
    return e;
}

/* ---- all ---- */

static enum err read_base(struct checking *c)
{
    struct tune_trials *t = c->t;
    struct buf b;
    buf_init(&b);
    enum err e = cfg_print_resolved(&b, controller_fields, tuned(t), CFG_ALL);
    c->text = arena_printf(t->arena, "%.*s", (int)b.len, (const char *)b.data);
    buf_release(&b);
    TRY(e);
    TRY(arena_error(t->arena));
    cfg_init(&c->one, controller_fields, sizeof c->base, t->arena);
    return read_one(c, &c->base, NULL, 0);
}

static enum err make_room(struct checking *c)
{
    struct tune_trials *t = c->t;
    const struct tune_cfg *tune = tune_of(t);
    t->values = ARENA_NEW(t->arena, tune->trials * tune->n_keys, const char *);
    c->integer = ARENA_NEW(t->arena, tune->n_keys, bool);
    if (is_training(t)) {
        const bool listed = tune->n_train_seeds > 0;
        t->train_seeds = listed ? tune->train_seeds : &t->x->cfg.train.seed;
        t->n_train_seeds = listed ? tune->n_train_seeds : 1;
    } else {
        t->methods = ARENA_NEW(t->arena, tune->trials, struct cfg_one);
    }
    return arena_error(t->arena);
}

/* A twin that is missing is found now, and not by the first training. */
static enum err check_twin(struct tune_trials *t)
{
    return is_training(t) && t->x->env_setup.twin == NULL ? experiment_load_twin(t->x) : ERR_OK;
}

/* TEST episodes are for one final comparison; a setting that was chosen on them would be judged by
 * what it was chosen for. */
static enum err check_split(const struct tune_trials *t)
{
    return t->x->cfg.eval.split == RNG_DEV
               ? ERR_OK
               : cfg_error(&t->x->reader, "eval.split",
                           "is %s, but settings are chosen on DEV episodes only; set it to dev",
                           eval_split_name(&t->x->cfg.eval));
}

enum err tune_trials_init(struct tune_trials *t, struct arena *arena, struct experiment *x,
                          const struct tune_source *source)
{
    *t = (struct tune_trials){.x = x, .source = *source, .arena = arena};
    struct checking c = {.t = t};
    const struct tune_cfg *tune = tune_of(t);
    const int full = is_training(t) ? x->cfg.train.updates : x->cfg.eval.episodes;
    TRY(find_controller(t));
    TRY(check_split(t));
    TRY(tune_check(tune, full, &x->reader));
    TRY(check_what(t));
    TRY(check_reference(t));
    TRY(check_twin(t));
    TRY(make_room(&c));
    TRY(read_base(&c));
    t->n_rungs = tune_rungs(t->rungs, tune, full);
    for (int i = 0; i < tune->n_keys; i++) {
        TRY(check_key(&c, i));
    }
    TRY(draw_values(&c));
    for (int trial = 1; trial <= tune->trials; trial++) {
        TRY(check_trial(&c, trial));
    }
    return ERR_OK;
}
