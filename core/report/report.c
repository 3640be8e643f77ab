/* The two pages, section by section. See report.h. */
#include "core/report/report_parts.h"

#include "core/base/file.h"
#include "core/base/log.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Shown at the end of the page. That an input is not there is no fault of the results, so nothing
 * is logged. */
void report_lacks(struct report *f, const char *what, const char *why)
{
    results_note(f->results, what, why);
}

const char *report_episodes(const struct report *f, const struct panel *p)
{
    char split[16];
    size_t n = 0;
    for (; p->split[n] != '\0' && n + 1 < sizeof split; n++) {
        split[n] = (char)toupper((unsigned char)p->split[n]);
    }
    split[n] = '\0';
    const char *text =
        arena_printf(f->arena, "%s episodes %" PRIu32 " to %" PRIu32 " of seed %" PRIu64 ", %s",
                     split, p->first, p->first + (uint32_t)p->n_episodes - 1, p->seed,
                     p->bounded ? "on the simulator" : "in a twin (or without an upper bound)");
    return text != NULL ? text : "";
}

const char *report_id(const struct report *f, const char *name, int panel)
{
    const char *id = panel == 0 ? name : arena_printf(f->arena, "%s-%d", name, panel + 1);
    return id != NULL ? id : name;
}

/* ---- sections ---- */

static enum err put_evaluations(struct report *f)
{
    for (int i = 0; i < f->n_panels; i++) {
        const struct panel *p = &f->panels[i];
        const char *title =
            i == 0 ? "Results" : arena_printf(f->arena, "Results, %s", report_episodes(f, p));
        TRY(arena_error(f->arena));
        page_section(f->page, report_id(f, "section-results", i), title);
        TRY(report_compare(f, i));
    }
    if (f->n_panels == 0) {
        report_lacks(f, "Results of evaluations", "there is no eval.csv that can be used");
    }
    return ERR_OK;
}

static enum err put_left_out(struct report *f)
{
    static const char *const head[] = {"what", "why, and what to do"};
    const struct results *r = f->results;
    struct table t;
    page_section(f->page, "left-out", "What is left out");
    if (r->n_left == 0) {
        page_text(f->page, "Nothing: every result that was found is in this report.");
        return ERR_OK;
    }
    table_init(&t, f->arena, head, 2, 2);
    for (int i = 0; i < r->n_left; i++) {
        table_text(&t, r->left[i].what);
        table_text(&t, r->left[i].why);
    }
    page_table(f->page, "left-out-table", "Left out of this report", "", &t);
    return t.failed;
}

static enum err put_results(struct report *f)
{
    const struct report_cfg *cfg = f->cfg;
    page_text(f->page,
              "Every table and figure of this page also stands by itself beside it: tables/*.csv "
              "(all digits), tables/*.tex (LaTeX, booktabs) and figures/*.svg. What was left out, "
              "and why, stands at the end. Times and hosts stand in timings.html.");
    page_text(f->page,
              "Intervals: %g %%, two-way bootstrap over training seeds and episodes (%d "
              "resamples), corrected for few seeds.",
              100.0 * cfg->view.confidence, cfg->view.resamples);
    if (f->results->n_claims > 0) {
        page_section(f->page, "section-claims", "Claims");
        TRY(report_claims(f));
    }
    TRY(put_evaluations(f));
    TRY(report_alignment(f));
    page_section(f->page, "section-learning", "Learning curves");
    TRY(report_curves(f));
    page_section(f->page, "section-paper", "The tables of the paper");
    TRY(report_paper(f));
    page_section(f->page, "section-configs", "Configurations and seeds");
    TRY(report_configs(f));
    return put_left_out(f);
}

/* ---- pages ---- */

static enum err write_page(struct report *f, const char *title, const char *out, const char *name,
                           enum err (*put)(struct report *f), struct page_markdown *markdown)
{
    struct page page;
    page_init(&page, f->arena, title);
    page.markdown = markdown;
    f->page = &page;
    enum err e = put(f);
    if (e == ERR_OK) {
        e = page_write(&page, out, name);
    }
    page_release(&page);
    return e;
}

/* A name that the report has not may be that of a table whose inputs are not there. */
static enum err check_found(const struct page_markdown *m, const char *out)
{
    for (int i = 0; i < m->n_ids; i++) {
        if (!m->found[i]) {
            log_error("--tables: this report has no table '%s'; %s/tables has those that there "
                      "are, and the end of the report says what is left out",
                      m->ids[i], out);
            return ERR_USAGE;
        }
    }
    return ERR_OK;
}

static enum err write_markdown(const struct report_cfg *cfg, const struct page_markdown *m,
                               const char *out)
{
    struct buf text;
    TRY(check_found(m, out));
    buf_init(&text);
    enum err e = buf_printf(&text,
                            "# %s\n\nTables of `karma report`; intervals: %g %%, %d resamples, "
                            "corrected for few seeds (docs/statistics.md).\n",
                            cfg->title, 100.0 * cfg->view.confidence, cfg->view.resamples);
    e = e == ERR_OK ? buf_append(&text, m->text.data, m->text.len) : e;
    e = e == ERR_OK ? file_make_parents(cfg->markdown) : e;
    e = e == ERR_OK ? file_write(cfg->markdown, text.data, text.len) : e;
    buf_release(&text);
    return e;
}

enum err report_write(struct results *r, const struct report_cfg *cfg, const char *out,
                      struct arena *arena)
{
    struct arena scratch;
    struct panel *panels;
    struct report f = {.results = r, .cfg = cfg, .arena = arena, .scratch = &scratch};
    TRY(panels_make(&panels, &f.n_panels, r, arena));
    f.panels = panels;
    const char *timings = arena_printf(arena, "%s: times and hosts", cfg->title);
    struct page_markdown markdown = {
        .ids = cfg->tables, .n_ids = cfg->n_tables, .found = ARENA_NEW(arena, cfg->n_tables, bool)};
    TRY(arena_error(arena));
    arena_init(&scratch);
    buf_init(&markdown.text);
    struct page_markdown *wanted = cfg->markdown != NULL ? &markdown : NULL;
    enum err e = write_page(&f, timings, out, "timings.html", report_costs, NULL);
    if (e == ERR_OK) {
        e = write_page(&f, cfg->title, out, "report.html", put_results, wanted);
    }
    if (e == ERR_OK && wanted != NULL) {
        e = write_markdown(cfg, &markdown, out);
    }
    buf_release(&markdown.text);
    arena_release(&scratch);
    return e;
}
