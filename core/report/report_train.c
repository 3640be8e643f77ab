/* Trainings in the report: learning curves, configurations, and what they took. See report.h. */
#include "core/report/figure.h"
#include "core/report/report_parts.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- groups ---- */

/* The group of a training among n; -1. */
static int find_group(const struct training_group *groups, int n, const struct result_training *t,
                      int *n_same_name)
{
    *n_same_name = 0;
    for (int i = 0; i < n; i++) {
        const struct result_training *first = groups[i].trainings[0];
        if (strcmp(first->name, t->name) == 0) {
            if (first->config_digest == t->config_digest) {
                return i;
            }
            ++*n_same_name;
        }
    }
    return -1;
}

static int by_seed(const void *a, const void *b)
{
    const struct result_training *t = *(const struct result_training *const *)a;
    const struct result_training *u = *(const struct result_training *const *)b;
    return t->seed != u->seed ? (t->seed > u->seed ? 1 : -1) : strcmp(t->path, u->path);
}

/* A seed counts once: trained twice with one configuration it gives one policy. */
static int drop_doubles(const struct result_training **t, int n)
{
    int n_kept = 0;
    for (int i = 0; i < n; i++) {
        if (n_kept == 0 || t[n_kept - 1]->seed != t[i]->seed) {
            t[n_kept++] = t[i];
        }
    }
    return n_kept;
}

enum err training_groups(struct training_group **groups, int *n, const struct report *f,
                         struct arena *arena)
{
    const struct results *r = f->results;
    struct training_group *g = ARENA_NEW(arena, r->n_trainings, struct training_group);
    TRY(arena_error(arena));
    *n = 0;
    for (int i = 0; i < r->n_trainings; i++) {
        const struct result_training *t = &r->trainings[i];
        int n_same_name;
        int k = find_group(g, *n, t, &n_same_name);
        if (k < 0) {
            k = (*n)++;
            g[k].name = n_same_name == 0 ? t->name
                                         : arena_printf(arena, "%s (%d)", t->name, n_same_name + 1);
            g[k].arm = t->arm;
            g[k].trainings = ARENA_NEW(arena, r->n_trainings - i, const struct result_training *);
            TRY(arena_error(arena));
        }
        g[k].trainings[g[k].n++] = t;
    }
    for (int k = 0; k < *n; k++) {
        qsort(g[k].trainings, (size_t)g[k].n, sizeof *g[k].trainings, by_seed);
        g[k].n = drop_doubles(g[k].trainings, g[k].n);
    }
    *groups = g;
    return ERR_OK;
}

enum err report_mean(struct stat_interval *out, const struct report *f, const char *name,
                     const char *what, const double *x, int n_all)
{
    const struct arena_mark mark = arena_mark(f->scratch);
    double *defined = ARENA_NEW(f->scratch, n_all, double);
    uint32_t n = 0;
    TRY(arena_error(f->scratch));
    for (int i = 0; i < n_all; i++) {
        if (isfinite(x[i])) {
            defined[n++] = x[i];
        }
    }
    *out = (struct stat_interval){NAN, NAN, NAN};
    enum err e = ERR_OK;
    if (n == 1) {
        out->value = defined[0];
    } else if (n > 1) {
        const struct stat_cfg cfg = {.stream = STAT_STREAM(what, name),
                                     .resamples = (uint32_t)f->cfg->view.resamples,
                                     .level = f->cfg->view.confidence};
        e = stat_bootstrap_corrected(out, defined, n, &cfg, f->scratch);
    }
    arena_rewind(f->scratch, mark);
    return e;
}

enum err training_mean(struct stat_interval *out, const struct report *f,
                       const struct training_group *g, const char *what, const double *x)
{
    return report_mean(out, f, g->name, what, x, g->n);
}

/* ---- learning curves ---- */

enum { GROUPS_DRAWN = 6, FIGURES_MAX = 16, CURVE_ROWS = 4 };

/* A curve of a group: x, mean, ends of the band (CURVE_ROWS, RESULTS_BINS). */
static enum err curve(double *out, const struct report *f, const struct training_group *g,
                      bool reward)
{
    double *x = ARENA_NEW(f->scratch, g->n, double);
    TRY(arena_error(f->scratch));
    for (int b = 0; b < RESULTS_BINS; b++) {
        struct stat_interval v;
        char what[48];
        (void)snprintf(what, sizeof what, "%s in bin %d", reward ? "reward" : "SLO attainment", b);
        out[b] = NAN;
        for (int i = 0; i < g->n; i++) {
            const struct result_training *t = g->trainings[i];
            x[i] = reward ? t->reward[b] : t->slo_attainment[b];
            out[b] = isfinite(t->env_steps[b]) ? t->env_steps[b] / 1000.0 : out[b];
        }
        TRY(training_mean(&v, f, g, what, x));
        out[RESULTS_BINS + b] = v.value;
        out[2 * RESULTS_BINS + b] = v.lo;
        out[3 * RESULTS_BINS + b] = v.hi;
    }
    return ERR_OK;
}

static enum err draw_curves(struct report *f, const struct training_group *groups, int n,
                            int figure, bool reward, struct table *t)
{
    struct plot_series series[GROUPS_DRAWN];
    for (int i = 0; i < n; i++) {
        double *c = ARENA_NEW(f->scratch, CURVE_ROWS * RESULTS_BINS, double);
        TRY(arena_error(f->scratch));
        TRY(curve(c, f, &groups[i], reward));
        series[i] = (struct plot_series){.name = groups[i].name,
                                         .x = c,
                                         .y = c + RESULTS_BINS,
                                         .lo = c + (ptrdiff_t)2 * RESULTS_BINS,
                                         .hi = c + (ptrdiff_t)3 * RESULTS_BINS,
                                         .n = RESULTS_BINS};
        for (int b = 0; b < RESULTS_BINS; b++) {
            const struct stat_interval v = {c[RESULTS_BINS + b], series[i].lo[b], series[i].hi[b]};
            if (isfinite(v.value)) {
                table_text(t, groups[i].name);
                table_text(t, reward ? "reward" : "slo_attainment");
                table_number(t, c[b]);
                table_interval(t, &v, 4);
            }
        }
    }
    const struct plot plot = {.title = reward ? "Reward while training"
                                              : "SLO attainment while training",
                              .x_label = "env-steps (thousands)",
                              .y_label = reward ? "reward (per step)" : "SLO attainment (share)",
                              .x_min = 0,
                              .x_max = NAN,
                              .y_min = NAN,
                              .y_max = NAN,
                              .series = series,
                              .n_series = n};
    const char *id = arena_printf(f->arena, "learning-%s-%d", reward ? "reward" : "slo", figure);
    TRY(arena_error(f->arena));
    page_figure(f->page, id,
                reward ? "Learning curves: mean reward of the episodes of training, with drawn "
                         "choices; bands over training seeds"
                       : "Learning curves: SLO attainment of the same episodes; bands over "
                         "training seeds",
                &plot);
    return ERR_OK;
}

enum err report_curves(struct report *f)
{
    static const char *const head[] = {"arm", "metric", "env-steps, thousands", "mean"};
    struct training_group *groups;
    struct table t;
    int n, figure = 1;
    TRY(training_groups(&groups, &n, f, f->arena));
    table_init(&t, f->arena, head, 4, 2);
    for (int from = 0; from < n && figure <= FIGURES_MAX; from += GROUPS_DRAWN, figure++) {
        const int k = n - from < GROUPS_DRAWN ? n - from : GROUPS_DRAWN;
        for (int reward = 1; reward >= 0; reward--) {
            const struct arena_mark mark = arena_mark(f->scratch);
            TRY(draw_curves(f, groups + from, k, figure, reward != 0, &t));
            arena_rewind(f->scratch, mark);
        }
    }
    if (n == 0) {
        report_lacks(f, "Learning curves", "there is no training that is done");
        return ERR_OK;
    }
    if (n > GROUPS_DRAWN * FIGURES_MAX) {
        page_text(f->page, "Only the first %d of %d arms are drawn.", GROUPS_DRAWN * FIGURES_MAX,
                  n);
    }
    page_files(f->page, "learning-curves", &t);
    return t.failed;
}

/* ---- configurations ---- */

/* "1-20, 23": seeds ascend. */
static const char *seeds_text(struct arena *arena, const struct training_group *g)
{
    const char *text = "";
    for (int i = 0; i < g->n;) {
        const uint64_t from = g->trainings[i]->seed;
        uint64_t to = from;
        for (i++; i < g->n && g->trainings[i]->seed == to + 1; i++) {
            to++;
        }
        text = to > from
                   ? arena_printf(arena, "%s%s%" PRIu64 "-%" PRIu64, text,
                                  text[0] != '\0' ? ", " : "", from, to)
                   : arena_printf(arena, "%s%s%" PRIu64, text, text[0] != '\0' ? ", " : "", from);
        if (text == NULL) {
            return "";
        }
    }
    return text;
}

enum { LEVELS_MAX = 16, KEY_MAX = 512 };

/* Settings of a configuration that this program printed: two blanks for each level, and "- " before
 * the first line of an item of a list. */
struct settings {
    const char **keys, **values; /* (n) */
    int n;
};

/* Level of a line, with the marks of items taken off and counted. */
static int enter(const char **line, int indent, int *items, char path[LEVELS_MAX][KEY_MAX])
{
    int level = indent / 2;
    while ((*line)[0] == '-' && (*line)[1] == ' ' && level + 1 < LEVELS_MAX) {
        (void)snprintf(path[level], KEY_MAX, "%d", items[level]++);
        *line += 2;
        level++;
        items[level] = 0;
    }
    return level;
}

static enum err add_setting(struct settings *s, struct arena *arena, int level,
                            char path[LEVELS_MAX][KEY_MAX], const char *value)
{
    const char *key = "";
    for (int k = 0; k <= level; k++) {
        key = arena_printf(arena, "%s%s%s", key, k > 0 ? "." : "", path[k]);
        TRY(arena_error(arena));
    }
    s->keys[s->n] = key;
    s->values[s->n++] = arena_strdup(arena, value);
    return arena_error(arena);
}

/* One line for each setting: "train.clone.rule.ff.growth" and "2". */
static enum err read_settings(struct settings *s, struct arena *arena, const char *text)
{
    char path[LEVELS_MAX][KEY_MAX];
    int items[LEVELS_MAX + 1] = {0}, n_lines = 1;
    for (const char *c = text; *c != '\0'; c++) {
        n_lines += *c == '\n';
    }
    char *copy = arena_strdup(arena, text);
    s->keys = ARENA_NEW(arena, n_lines, const char *);
    s->values = ARENA_NEW(arena, n_lines, const char *);
    s->n = 0;
    TRY(arena_error(arena));
    for (char *rest = copy, *next; rest != NULL && *rest != '\0'; rest = next) {
        next = strchr(rest, '\n');
        if (next != NULL) {
            *next++ = '\0';
        }
        const int indent = (int)strspn(rest, " ");
        const char *line = rest + indent;
        const int level = enter(&line, indent, items, path);
        const char *colon = strstr(line, ": ");
        const size_t n = colon != NULL ? (size_t)(colon - line) : strlen(line);
        if (level >= LEVELS_MAX || n == 0) {
            continue;
        }
        items[level + 1] = 0;
        const bool opens = colon == NULL && line[n - 1] == ':';
        (void)snprintf(path[level], KEY_MAX, "%.*s", (int)(opens ? n - 1 : n), line);
        if (!opens) {
            TRY(add_setting(s, arena, level, path, colon != NULL ? colon + 2 : ""));
        }
    }
    return ERR_OK;
}

static const char *find_setting(const struct settings *s, const char *key)
{
    for (int i = 0; i < s->n; i++) {
        if (strcmp(s->keys[i], key) == 0) {
            return s->values[i];
        }
    }
    return NULL;
}

static void add_change(struct table *t, const char *arm, const char *key, const char *first,
                       const char *value)
{
    table_text(t, arm);
    table_text(t, key);
    table_text(t, first != NULL ? first : "(not there)");
    table_text(t, value != NULL ? value : "(not there)");
}

/* (n) of `s`: which settings have another value, or none, in `other`. NULL when out of memory. */
static const bool *find_differences(struct arena *arena, const struct settings *s,
                                    const struct settings *other)
{
    bool *differs = ARENA_NEW(arena, s->n, bool);
    for (int i = 0; differs != NULL && i < s->n; i++) {
        const char *value = find_setting(other, s->keys[i]);
        differs[i] = value == NULL || strcmp(value, s->values[i]) != 0;
    }
    return differs;
}

static size_t section_length(const char *key)
{
    return strcspn(key, ".");
}

/* How many settings of the section that setting i is in differ. */
static int count_in_section(const struct settings *s, const bool *differs, int i)
{
    const size_t n = section_length(s->keys[i]);
    int count = 0;
    for (int k = 0; k < s->n; k++) {
        if (differs[k] && section_length(s->keys[k]) == n &&
            strncmp(s->keys[k], s->keys[i], n) == 0) {
            count++;
        }
    }
    return count;
}

static bool first_of_section(const struct settings *s, int i)
{
    const size_t n = section_length(s->keys[i]);
    return i == 0 || section_length(s->keys[i - 1]) != n ||
           strncmp(s->keys[i - 1], s->keys[i], n) != 0;
}

/* A section in which a lot differs, such as another organisation, is one row. */
enum { SECTION_ROWS_MAX = 12 };

static enum err add_changes(struct table *t, struct arena *arena, const struct training_group *g,
                            const struct settings *first)
{
    struct settings own;
    TRY(read_settings(&own, arena, g->trainings[0]->config));
    const bool *differs = find_differences(arena, &own, first);
    const bool *gone = find_differences(arena, first, &own);
    TRY(arena_error(arena));
    for (int i = 0; i < own.n; i++) {
        const int n = count_in_section(&own, differs, i);
        if (n <= SECTION_ROWS_MAX && differs[i]) {
            add_change(t, g->name, own.keys[i], find_setting(first, own.keys[i]), own.values[i]);
        } else if (n > SECTION_ROWS_MAX && first_of_section(&own, i)) {
            const char *key =
                arena_printf(arena, "%.*s", (int)section_length(own.keys[i]), own.keys[i]);
            TRY(arena_error(arena));
            add_change(t, g->name, key, "see the file of its configuration",
                       "see the file of its configuration");
        }
    }
    for (int i = 0; i < first->n; i++) {
        if (gone[i] && count_in_section(first, gone, i) <= SECTION_ROWS_MAX &&
            find_setting(&own, first->keys[i]) == NULL) {
            add_change(t, g->name, first->keys[i], first->values[i], NULL);
        }
    }
    return t->failed;
}

/* Names of the files of configurations. */
static enum err name_files(const char ***slugs, struct arena *arena,
                           const struct training_group *groups, int n)
{
    const char **names = ARENA_NEW(arena, n, const char *);
    *slugs = ARENA_NEW(arena, n, const char *);
    TRY(arena_error(arena));
    for (int i = 0; i < n; i++) {
        names[i] = groups[i].name;
    }
    return figure_slugs(*slugs, arena, names, n);
}

enum err report_configs(struct report *f)
{
    static const char *const head[] = {"arm",   "configuration", "file", "training seeds",
                                       "seeds", "updates"};
    static const char *const changes_head[] = {"arm", "setting", "first arm", "this arm"};
    struct training_group *groups;
    struct settings first;
    struct table t, changes;
    int n;
    TRY(training_groups(&groups, &n, f, f->arena));
    if (n == 0) {
        report_lacks(f, "Configurations and seeds", "there is no training that is done");
        return ERR_OK;
    }
    const char **slugs;
    TRY(name_files(&slugs, f->arena, groups, n));
    table_init(&t, f->arena, head, 6, 4);
    table_init(&changes, f->arena, changes_head, 4, 4);
    TRY(read_settings(&first, f->arena, groups[0].trainings[0]->config));
    for (int i = 0; i < n; i++) {
        const struct training_group *g = &groups[i];
        table_text(&t, g->name);
        table_cell(&t, "%016" PRIx64, g->trainings[0]->config_digest);
        table_cell(&t, "configs/%s.yaml", slugs[i]);
        table_text(&t, seeds_text(f->arena, g));
        table_cell(&t, "%d", g->n);
        table_cell(&t, "%d", g->trainings[0]->n_updates);
        page_attach(f->page, "configs", slugs[i], "yaml", g->trainings[0]->config);
        TRY(i > 0 ? add_changes(&changes, f->arena, g, &first) : ERR_OK);
    }
    page_table(f->page, "trainings", "Arms that were trained",
               "configuration: a digest of all settings but the seed, the directory and those that "
               "decide speed only.",
               &t);
    page_table(f->page, "settings", "Settings that differ from those of the first arm", "",
               &changes);
    page_text(f->page, "All settings of the first arm, '%s':", groups[0].name);
    page_pre(f->page, groups[0].trainings[0]->config);
    return ERR_OK;
}

/* ---- what it took ---- */

static const char paper_took[] =
    "The paper: 1.5 hours for multi-agent, hard, and 4 hours for multi-agent, no organisation, on "
    "one node with an NVIDIA Tesla V100 (16 GB), 16 cores (Xeon Platinum, 2.3 GHz) and 128 GB; its "
    "cluster was one worker node of 8 vCPU and 32 GB. These hours and those below are of different "
    "machines, budgets and criteria: they say what it takes here, and not how much faster it is.";

static double most_of(const double *x, int n)
{
    double most = NAN;
    for (int i = 0; i < n; i++) {
        most = fmax(most, x[i]);
    }
    return most;
}

static enum err add_cost(struct report *f, struct table *t, const struct training_group *g)
{
    double *x = ARENA_NEW(f->arena, 4 * g->n, double);
    double *hours = x, *cpu = x + g->n, *memory = x + (ptrdiff_t)2 * g->n,
           *until = x + (ptrdiff_t)3 * g->n;
    double sum = 0.0;
    int n_known = 0, ranks = 0;
    struct stat_interval a, b, c;
    TRY(arena_error(f->arena));
    for (int i = 0; i < g->n; i++) {
        const struct result_training *r = g->trainings[i];
        hours[i] = r->seconds / 3600.0;
        cpu[i] = r->cpu_s / 3600.0;
        memory[i] = r->memory_bytes / (1024.0 * 1024.0);
        until[i] = r->converged_s / 3600.0;
        n_known += isfinite(cpu[i]) ? 1 : 0;
        sum += isfinite(cpu[i]) ? cpu[i] : 0.0;
        ranks = r->n_ranks > ranks ? r->n_ranks : ranks;
    }
    TRY(training_mean(&a, f, g, "hours", hours));
    TRY(training_mean(&b, f, g, "CPU-hours", cpu));
    TRY(training_mean(&c, f, g, "hours until convergence", until));
    table_text(t, g->name);
    table_cell(t, "%d", g->n);
    table_cell(t, "%d", ranks);
    table_interval(t, &a, 3);
    table_interval(t, &c, 3);
    table_interval(t, &b, 3);
    table_fixed(t, n_known > 0 ? sum : (double)NAN, 2);
    table_fixed(t, most_of(memory, g->n), 0);
    return t->failed;
}

/* Every training by itself. */
static void add_machine(struct table *t, const struct result_training *r)
{
    table_text(t, r->path);
    table_text(t, r->host);
    table_text(t, r->cpu);
    table_text(t, r->started);
    table_cell(t, "%d", r->n_ranks);
    table_fixed(t, r->seconds, 1);
    table_fixed(t, r->cpu_s, 1);
    table_fixed(t, r->memory_bytes / (1024.0 * 1024.0), 0);
}

enum err report_costs(struct report *f)
{
    static const char *const head[] = {"arm",
                                       "seeds",
                                       "ranks",
                                       "hours",
                                       "hours until converged",
                                       "CPU-hours",
                                       "CPU-hours of all seeds",
                                       "memory of a rank MiB"};
    static const char *const each_head[] = {"training", "host",    "CPU",   "started",
                                            "ranks",    "seconds", "CPU s", "memory MiB"};
    struct training_group *groups;
    struct table t, each;
    int n;
    TRY(training_groups(&groups, &n, f, f->arena));
    page_section(f->page, "took", "What the trainings took");
    page_text(f->page, "%s", paper_took);
    if (n == 0) {
        page_text(f->page, "There is no training that is done among the results.");
        return ERR_OK;
    }
    table_init(&t, f->arena, head, 8, 1);
    table_init(&each, f->arena, each_head, 8, 4);
    for (int i = 0; i < n; i++) {
        TRY(add_cost(f, &t, &groups[i]));
        for (int k = 0; k < groups[i].n; k++) {
            add_machine(&each, groups[i].trainings[k]);
        }
    }
    page_table(f->page, "costs", "Hours, CPU-hours and memory (Table V of the paper has hours)",
               "Hours: all processes that took part in a training. CPU-hours: all ranks of the "
               "last process; a training that was resumed took more. A dash: the run did not "
               "record it.",
               &t);
    page_section(f->page, "machines", "Every training");
    page_table(f->page, "machines-table", "Where and when", "", &each);
    return ERR_OK;
}
