/* Who stands in the plan, what in the job that was taken last. See conductlog.h. */
#include "mpi/conductlog.h"

#include "core/base/csv_read.h"
#include "core/base/file.h"
#include "core/base/log.h"
#include "core/report/conduct_table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    KEY_CONTROLLER,
    KEY_POLICY,
    KEY_TRAIN_SEED,
    KEY_SCENARIO,
    KEY_SPLIT,
    KEY_SEED,
    KEY_EPISODE,
    KEY_SETTING,
    KEY_AGENT,
    KEYS,
    COLUMNS = CONDUCT_COLUMNS
};
_Static_assert((int)KEYS == (int)CONDUCT_KEYS && (int)KEY_AGENT == (int)CONDUCT_KEY_AGENT,
               "the table of a report reads these columns");

static void name_columns(const char *columns[COLUMNS])
{
    static const char *const keys[KEYS] = {"controller", "policy",  "train_seed",
                                           "scenario",   "split",   "seed",
                                           "episode",    "setting", "agent"};
    memcpy(columns, keys, sizeof keys);
    for (int i = 0; i < CONDUCT_COUNT; i++) {
        columns[KEYS + i] = conduct_info[i].name;
    }
}

/* The keys of one row as text. */
struct keys {
    char number[5][24];
    const char *text[KEYS];
};

static void keys_of(struct keys *k, const struct conductlog *l, int i, int agent)
{
    const struct ledger_cfg *p = l->plan;
    const struct ledger_arm *arm = &p->arms[i / (p->n_scenarios * p->n_episodes)];
    const int scenario = i / p->n_episodes % p->n_scenarios;
    memset(k->number, 0, sizeof k->number);
    if (arm->learned) {
        (void)snprintf(k->number[0], sizeof k->number[0], "%016" PRIx64, arm->policy);
        (void)snprintf(k->number[1], sizeof k->number[1], "%" PRIu64, arm->seed);
    }
    (void)snprintf(k->number[2], sizeof k->number[2], "%" PRIu64, p->seed);
    (void)snprintf(k->number[3], sizeof k->number[3], "%d", p->first + i % p->n_episodes);
    (void)snprintf(k->number[4], sizeof k->number[4], "%016" PRIx64, arm->setting[scenario]);
    k->text[KEY_CONTROLLER] = arm->name;
    k->text[KEY_POLICY] = k->number[0];
    k->text[KEY_TRAIN_SEED] = k->number[1];
    k->text[KEY_SCENARIO] = p->scenarios[scenario];
    k->text[KEY_SPLIT] = p->split;
    k->text[KEY_SEED] = k->number[2];
    k->text[KEY_EPISODE] = k->number[3];
    k->text[KEY_SETTING] = k->number[4];
    k->text[KEY_AGENT] = eval_agent_name(l->eval, i, agent);
}

enum err conductlog_init(struct conductlog *l, struct arena *arena, const struct eval *eval,
                         const struct ledger_cfg *plan, const char *dir)
{
    *l = (struct conductlog){.eval = eval,
                             .plan = plan,
                             .arena = arena,
                             .path = file_join(arena, dir, "organisation.csv"),
                             .csv = {.fd = -1},
                             .n_jobs = plan->n_arms * plan->n_scenarios * plan->n_episodes};
    for (int i = 0; i < l->n_jobs; i++) {
        l->on = l->on || eval_n_agents(eval, i) > 0;
    }
    l->n_kept = l->n_jobs;
    return l->path != NULL ? ERR_OK : ERR_MEMORY;
}

/* ---- what is there ---- */

/* Whether the next rows are those of job i; *n_rows grows by them. */
static bool next_is_job(struct csv_reader *r, const struct conductlog *l, int i, int64_t *n_rows)
{
    const int n_agents = eval_n_agents(l->eval, i);
    for (int a = 0; a < n_agents; a++) {
        const char *cells[COLUMNS];
        enum csv_status status;
        struct keys want;
        if (csv_reader_next(r, cells, COLUMNS, &status) != ERR_OK || status != CSV_ROW) {
            return false;
        }
        keys_of(&want, l, i, a);
        for (int k = 0; k < KEYS; k++) {
            if (strcmp(cells[k], want.text[k]) != 0) {
                return false;
            }
        }
    }
    *n_rows += n_agents;
    return true;
}

/* Jobs, and their rows, from the start of the file that can be kept. */
static enum err count_kept(struct conductlog *l, int64_t *n_rows)
{
    struct csv_reader r;
    const char *cells[COLUMNS];
    enum csv_status status;
    TRY(csv_reader_open(&r, l->path));
    enum err e = csv_reader_next(&r, cells, COLUMNS, &status);
    while (e == ERR_OK && status == CSV_ROW && l->n_kept < l->n_jobs &&
           next_is_job(&r, l, l->n_kept, n_rows)) {
        l->n_kept++;
    }
    csv_reader_close(&r);
    return e;
}

enum err conductlog_open(struct conductlog *l, bool keep)
{
    const char *columns[COLUMNS];
    int64_t n_rows = 0;
    if (!l->on) {
        return ERR_OK;
    }
    name_columns(columns);
    l->n_kept = 0;
    if (!keep || !file_exists(l->path)) {
        return csv_create(&l->csv, l->arena, l->path, columns, COLUMNS);
    }
    TRY(count_kept(l, &n_rows));
    return csv_resume(&l->csv, l->arena, l->path, columns, COLUMNS, n_rows);
}

enum err conductlog_take(struct conductlog *l, int i)
{
    const struct conduct_values *values = eval_conduct(l->eval);
    for (int a = 0; i >= l->n_kept && a < eval_n_agents(l->eval, i); a++) {
        const double *value = (const double *)&values[a];
        struct keys k;
        keys_of(&k, l, i, a);
        for (int c = 0; c < KEYS; c++) {
            csv_text(&l->csv, k.text[c]);
        }
        for (int c = 0; c < CONDUCT_COUNT; c++) {
            csv_num(&l->csv, value[c]);
        }
        TRY(csv_end_row(&l->csv));
    }
    return ERR_OK;
}

void conductlog_close(struct conductlog *l)
{
    csv_close(&l->csv);
}
