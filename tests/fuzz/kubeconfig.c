/* Fuzzes kube_access_text(): a kubeconfig file. No message may show what stands behind `token`. */
#include "core/transfer/kubeconfig.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static struct kube_access access;

static enum err read(const unsigned char *bytes, size_t n, struct arena *scratch)
{
    access = (struct kube_access){.server = NULL};
    return kube_access_text(&access, scratch, fuzz_source(), "", bytes, n);
}

static void check(const unsigned char *bytes, size_t n, enum err e)
{
    (void)bytes, (void)n;
    if (e != ERR_OK) {
        CHECK(access.server == NULL);
        return;
    }
    CHECK(access.server[0] != '\0' && access.name_space[0] != '\0' && access.source[0] != '\0');
    CHECK((access.cert_pem[0] != '\0') == (access.key_pem[0] != '\0'));
    CHECK(access.token[0] == '\0' || access.token_file[0] == '\0');
}

#define CLUSTER "clusters: [{name: c, cluster: {server: 'https://c', "
#define CONTEXT                                                                                    \
    "contexts: [{name: x, context: {cluster: c, user: u, namespace: n}}]\ncurrent-context: x\n"

static void seeds(void)
{
    static const char in_json[] =
        "{\"clusters\":[{\"name\":\"c\",\"cluster\":{\"server\":\"https://c\"}}],\"contexts\":"
        "[{\"name\":\"x\",\"context\":{\"cluster\":\"c\"}}],\"current-context\":\"x\"}";
    static const char *const files[] = {
        CLUSTER "certificate-authority-data: SGVsbG8K}}]\n" CONTEXT
                "users:\n- name: u\n  user:\n    token: abc\n",
        CLUSTER "insecure-skip-tls-verify: true}}]\n" CONTEXT
                "users: [{name: u, user: {client-certificate-data: Y2VydA==, client-key-data: "
                "a2V5}}]\n",
        CLUSTER "certificate-authority: nowhere}}]\n" CONTEXT
                "users: [{name: u, user: {tokenFile: t}}]\n",
        CLUSTER "proxy-url: p}}]\n" CONTEXT "users: [{name: u, user: {exec: {command: x}}}]\n",
        in_json};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        fuzz_seed(files[i], strlen(files[i]));
    }
}

/* A node of the tree for every two bytes, each with its text, and the copies of the texts. */
const struct fuzz_reader fuzz_reader = {
    .fixed = 256 * 1024, .each = 512, .read = read, .check = check, .seeds = seeds};
