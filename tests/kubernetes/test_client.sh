# The Kubernetes client against a real API server: rights, writes, events, two instances, a watch
# over a restart. KUBERNETES_BIN names the directory of the servers (make test-kubernetes).
. tests/cmd/tap.sh

if [ ! -x "${KUBERNETES_BIN:-}/kube-apiserver" ]; then
    skip "a real API server" "make test-kubernetes builds one"
    done_testing
    exit 0
fi
for tool in etcd kubectl openssl; do
    command -v $tool >/dev/null || [ -x "$KUBERNETES_BIN/$tool" ] || {
        skip "a real API server" "$tool is not installed"
        done_testing
        exit 0
    }
done
KUBERNETES_BIN=$(cd "$KUBERNETES_BIN" && pwd)
SITE=$WORK/site
. tests/kubernetes/cluster.sh
trap 'site_down' EXIT
client=$BUILD/tests/kubernetes/client

site_up
result $? "an API server is up"
kubectl apply -f tests/kubernetes/shop.yaml >"$WORK/out" 2>&1
admin=$KUBECONFIG

as() { # TOKEN COMMAND...: with a kubeconfig of that token
    site_kubeconfig "$1" >"$WORK/kubeconfig"
    shift
    KUBECONFIG=$WORK/kubeconfig "$@"
}

secrets() { # NAME: neither log line nor result shows a token
    ! grep -qF -e "$token" -e "$site_admin" "$WORK/out" "$WORK/err"
    result $? "$1: no secret in a message"
}

# ---- manifests ----
for file in configs/kubernetes/*.yaml; do
    holds "$file passes the server's check" kubectl apply --dry-run=server -n shop -f "$file"
done
holds "watch.yaml is applied" kubectl apply -n shop -f configs/kubernetes/watch.yaml
token=$(site_token karma)
[ -n "$token" ]
result $? "the service account has a token"

# ---- who are we ----
exits 0 "the server answers" as "$token" "$client" version
says out '^version v1\.' "its version"
exits 1 "a wrong token" as "wrong-token-123" "$client" scale a
says err "does not accept the credentials of $WORK/kubeconfig \(401\)" "a sentence"
site_kubeconfig "$token" | sed "s|api-ca.crt|other-ca.crt|" >"$WORK/other"
exits 1 "a CA that did not sign the server's certificate" env KUBECONFIG="$WORK/other" "$client" version
says err "the certificate of the API server .* is not accepted" "a sentence"
secrets "the wrong CA"

# ---- with the right to read only ----
site_await 60 sh -c '[ "$(kubectl -n shop get pods -o name | wc -l)" = 4 ]'
site_ready app=a
site_await 60 sh -c '[ "$(kubectl -n shop get deployment a -o jsonpath={.status.readyReplicas})" = 2 ]'
for kind in deployments pods horizontalpodautoscalers scaledobjects; do
    exits 0 "read only: list $kind" as "$token" "$client" list $kind
done
exits 0 "read only: the scale" as "$token" "$client" scale a
says out "^scale a wanted 2 existing 2 version [0-9]" "is that of the deployment"
exits 0 "read only: a list in pages" as "$token" "$client" list deployments
says out "^deployment a wanted 2 existing 2 ready 2 observed 1 cpu 750 memory 320 selector app=a$" \
    "with the pods that are ready"
exits 0 "read only: who owns b" as "$token" "$client" owner b
says out "^owner the HorizontalPodAutoscaler 'b'$" "an autoscaler"
exits 0 "read only: who owns a" as "$token" "$client" owner a
says out "^owner nobody$" "nobody"
exits 0 "read only: a watch" as "$token" "$client" mirror pods 2
says out "^mirror 4$" "of all pods"
same "$(site_writes karma)" 0 "the server counted no write"
exits 1 "read only: a change" as "$token" "$client" set a 3
says err "may not patch the scale of deployment 'a' from 2 to 3 in the namespace 'shop' \(403\)" "is denied with a sentence"
secrets "a denied change"
exits 1 "read only: an event" as "$token" "$client" event a hello
says err "may not create events in the namespace 'shop' \(403\)" "is denied"
exits 1 "read only: a lease" as "$token" "$client" lease karma one 6 2
says err "may not get the lease 'karma' in the namespace 'shop' \(403\)" "is denied"
same "$(kubectl -n shop get deployment a -o jsonpath='{.spec.replicas}')" 2 "nothing was changed"

# ---- with the right to act on a, b, c, d ----
holds "act.yaml is applied" kubectl apply -n shop -f configs/kubernetes/act.yaml
kubectl -n shop create deployment z --image=none >/dev/null
site_await 30 as "$token" "$client" try a 3
exits 0 "the right to act: a try" as "$token" "$client" try a 4
same "$(kubectl -n shop get deployment a -o jsonpath='{.spec.replicas}')" 2 "changes nothing"
exits 0 "the right to act: a change" as "$token" "$client" set a 4
says out "^set a wanted 4" "is made"
same "$(kubectl -n shop get deployment a -o jsonpath='{.spec.replicas}')" 4 "as the server says"
grep -q '"verb":"patch".*scale?fieldManager=karma"' "$SITE/audit.log" ||
    grep -q 'scale?fieldManager=karma".*"verb":"patch"' "$SITE/audit.log"
result $? "under our name"
exits 1 "a change of what somebody else changed" as "$token" "$client" set a 5 1
says err "somebody else was first" "is refused"
exits 1 "a change of a deployment that the Role does not name" as "$token" "$client" set z 2
says err "may not patch the scale of deployment 'z'" "is denied"
exits 1 "a change below zero, or of nothing" as "$token" "$client" set none 2
exits 0 "an event" as "$token" "$client" event a "4 replicas instead of 2"
kubectl -n shop get events >"$WORK/out"
says out "KarmaScaled +deployment/a +4 replicas instead of 2" "kubectl get events shows it"
says out "ScalingReplicaSet +deployment/a +Scaled up replica set .* to 4" "and what it was for"

# ---- two instances ----
as "$token" true
KUBECONFIG=$WORK/kubeconfig "$client" lease karma one 6 100 >"$WORK/one" 2>"$WORK/one.err" &
one=$!
job=$one
wait_until grep -q acts "$WORK/one"
KUBECONFIG=$WORK/kubeconfig "$client" lease karma two 6 100 >"$WORK/two" 2>"$WORK/two.err" &
two=$!
sleep 8
[ ! -s "$WORK/two" ]
result $? "two instances: the second one waits"
kill -KILL $one
killed=$(date +%s.%N)
job=$two
wait_until grep -q acts "$WORK/two"
result $? "when the first is killed the second acts"
awk -v killed="$killed" '/acts/ { exit !($1 - killed > 3 && $1 - killed < 60) }' "$WORK/two"
result $? "not before the lease of the first has expired"
KUBECONFIG=$WORK/kubeconfig "$client" lease karma three 60 100 >"$WORK/three" 2>"$WORK/three.err" &
three=$!
sleep 2
kill -TERM $two
wait $two 2>/dev/null
job=$three
wait_until grep -q acts "$WORK/three"
result $? "one that ends gives the lease up, and a third acts at once"
kill -TERM $three
wait $three 2>/dev/null

# ---- a restart under a watch ----
KUBECONFIG=$WORK/kubeconfig "$client" mirror deployments 90 >"$WORK/mirror" 2>"$WORK/mirror.err" &
watching=$!
job=$watching
wait_until grep -q "^deployment a wanted 4" "$WORK/mirror"
result $? "a watch shows what is there"
kubectl -n shop scale deployment a --replicas=5 >/dev/null
wait_until grep -q "^deployment a wanted 5" "$WORK/mirror"
result $? "and what changes"
site_api_down
sleep 2
site_api_up
result $? "the API server is back"
kubectl -n shop scale deployment a --replicas=6 >/dev/null
wait_until grep -q "^deployment a wanted 6" "$WORK/mirror"
result $? "the watch goes on after the restart"
kill -TERM $watching
wait $watching 2>/dev/null
grep -q "the watch of deployments: " "$WORK/mirror.err"
result $? "and said that it was cut"
[ "$(wc -l <"$WORK/mirror.err")" -lt 60 ]
result $? "in few lines"

# ---- no server ----
export KUBECONFIG="$WORK/kubeconfig"
site_api_down
exits 1 "no server" "$client" version
says err "nobody listens at the API server" "a sentence"
same "$(grep -c '^warn: .*trying again' "$WORK/err")" 3 "three repetitions, and no more"
export KUBECONFIG="$admin"
cat "$WORK"/*.err "$WORK/out" >"$WORK/all"
! grep -qF -e "$token" -e "$site_admin" "$WORK/all"
result $? "no secret in any message"
done_testing
