# shellcheck shell=bash
# Both functions: built from this folder side by side, and who reaches them.

readonly BASE_IMAGE=python313   # supported until October 2029
readonly REPOSITORY=threads-token-keeper
SERVICES=''    # those in REGION
ELSEWHERE=''   # NAME|REGION of those that are not

# Again and again, with the few rights of threads-build. What makes the sign-in page public comes last: an organisation
# may forbid it, and then all else is there.
functions() {
  look_at_schedule
  ensure_metric   # before the builds, because Monitoring needs minutes to know it
  deploy_both
  ensure_grants service threads-refresh
  ensure_grants service threads-oauth
  ensure_job
  ensure_alerts
  ensure_first_run
  ensure_public
}

# Where gcloud uploads this folder's source to, named as gcloud names it.
sources_bucket() {
  local project="${PROJECT_ID//[:.]/_}"
  echo "run-sources-${project//google/elgoog}-$REGION"
}

# Of our own, so that `remove` can take it down.
ensure_repository() {
  look gcloud artifacts repositories describe "$REPOSITORY" --location="$REGION" --format='value(name)'
  if [[ $FOUND ]]; then
    say there "image repository $REPOSITORY"
    return
  fi
  run gcloud artifacts repositories create "$REPOSITORY" --location="$REGION" --repository-format=docker
  say created "image repository $REPOSITORY"
}

deploy_both() {
  local failed='' started=()
  if [[ $DRY_RUN ]]; then
    deploy_oauth
    deploy_refresh
    return
  fi
  echo "building threads-oauth and threads-refresh side by side, which takes some minutes"
  set -m   # a process group for each, so that Ctrl-C is ours to pass on
  deploy_oauth </dev/null &
  started+=($!)
  deploy_refresh </dev/null &
  started+=($!)
  set +m
  BUILDS=("${started[@]}")
  wait "${started[0]}" || failed=1
  wait "${started[1]}" || failed=1
  BUILDS=()
  if [[ $failed ]]; then exit 1; fi
  say updated "services threads-oauth, threads-refresh"
}

# set- and not update-: a setting that is no longer given falls back to its default, nothing lingers.
deploy_oauth() {
  deploy threads-oauth oauth \
    --set-env-vars="$(settings_of "PUBLIC_URL=$PUBLIC_URL" "THREADS_APP_ID=$THREADS_APP_ID" THREADS=32 \
      THREADS_SCOPES THREADS_AUTHORIZE_URL THREADS_API_URL)" \
    --set-secrets="THREADS_APP_SECRET=$APP_SECRET:latest"
}

deploy_refresh() {
  deploy threads-refresh refresh --no-allow-unauthenticated --invoker-iam-check \
    --set-env-vars="$(settings_of "SIGN_IN_URL=$PUBLIC_URL" THREADS_API_URL REFRESH_AFTER_HOURS \
      REFRESH_BUDGET_SECONDS)" --clear-secrets
}

limits_of() {  # CONCURRENCY|SECONDS|INSTANCES of a service
  case "$1" in
    threads-oauth) echo '32|100|3' ;;     # a callback answers within 90 seconds
    threads-refresh) echo '1|1740|1' ;;   # one run at a time; below the schedule's 1800, so that it hears the answer
  esac
}

# Nothing here makes threads-oauth public: `run deploy --allow-unauthenticated` succeeds where that part was refused.
deploy() {  # deploy SERVICE TARGET FLAGS...
  local service=$1 target=$2 path="$PROJECT_ID" concurrency seconds instances
  shift 2
  IFS='|' read -r concurrency seconds instances <<<"$(limits_of "$service")"
  # gcloud reads no project of a domain in the image's address (example.com/project), so its number stands there.
  if [[ $path == *:* ]]; then path="$PROJECT_NUMBER"; fi
  build "$service" gcloud run deploy "$service" --region="$REGION" --source="$HERE" --function="$target" \
    --base-image="$BASE_IMAGE" --image="$REGION-docker.pkg.dev/$path/$REPOSITORY/$service" \
    --service-account="$(email "$service")" \
    --build-service-account="projects/$PROJECT_ID/serviceAccounts/$(email threads-build)" \
    --labels="source=$(source_sum)" --ingress=all --concurrency="$concurrency" --timeout="$seconds" \
    --max-instances="$instances" --memory=256Mi --cpu=1 --cpu-boost --min-instances=0 "$@"
}

build() {  # build SERVICE COMMAND...: as `run`, and what gcloud says is let through as it comes
  local service=$1 log="$SCRATCH/$1.log" try
  shift
  if [[ $DRY_RUN ]]; then
    run "$@"
    return
  fi
  for ((try = 1; ; try++)); do
    : >"$log"
    if "$@" 2>&1 | relay "$service" "$log"; then return; fi
    passes "$(<"$log")" "$try" || refused "$(tail -n 12 "$log")" "$@"
  done
}

# gcloud draws a stage a dot at a time, so a line that has begun is said before it ends.
relay() {  # relay SERVICE LOG
  local part line='' said='' status
  while true; do
    status=0
    IFS= read -r -t 2 part || status=$?
    line+="$part"
    line="${line//$'\e['+([0-9;])m/}" line="${line//$'\e[m'/}"   # bold, which a log does not show
    if [[ -z $said && $line && ! $line =~ ^\.*(done)?$ ]]; then
      said="${line%%...*}"
      printf '%-15s  %s\n' "$1" "$said"
    fi
    if [[ $status -gt 128 ]]; then continue; fi
    if [[ $line ]]; then printf '%s\n' "$line" >>"$2"; fi
    # The address of the log comes at the end of the stage's line.
    if [[ $line == *"ogs are available at"* && $said != *available* ]]; then
      printf '%-15s  %s\n' "$1" "Logs${line##*ogs}"
    fi
    if [[ $status -ne 0 ]]; then return; fi
    line='' said=''
  done
}

# Scopes hold commas, so ";" stands between the settings.
settings_of() {  # settings_of NAME=VALUE|NAME...: a NAME alone is passed on where it is set
  local setting list="GOOGLE_CLOUD_PROJECT=$PROJECT_ID"
  for setting in "$@"; do
    if [[ $setting == *=* ]]; then list+=";$setting"; elif [[ ${!setting} ]]; then list+=";$setting=${!setting}"; fi
  done
  echo "^;^$list"
}

# What tells this source from another: a label of each deploy, which check compares with what lies here.
source_sum() {
  (
    cd "$HERE"
    LC_ALL=C   # the order of names
    for file in main.py requirements.txt token_keeper/*.py token_keeper/templates/*.{html,css,svg} \
      token_keeper/locale/*/LC_MESSAGES/*.mo; do   # what .gcloudignore lets up
      if [[ -f $file && $file =~ ^[A-Za-z0-9_/]+\.[a-z]+$ ]]; then cksum "$file"; fi
    done
    echo "$BASE_IMAGE"
  ) | cksum | cut -d' ' -f1
}

# NAME|CHECK OFF|INGRESS|SOURCE|TRAFFIC ON THE LATEST|CONDITIONS|ACCOUNT|IMAGE|limits_of, a line a service, into
# SERVICES; all regions are listed, for what an earlier run made in another one.
list_services() {
  look gcloud run services list --format='value[separator="|"](metadata.labels["cloud.googleapis.com/location"],
    metadata.name,metadata.annotations["run.googleapis.com/invoker-iam-disabled"],
    metadata.annotations["run.googleapis.com/ingress"],spec.template.metadata.labels.source,
    spec.traffic.extract("latestRevision").flatten(),
    status.conditions.extract("status").flatten(),spec.template.spec.serviceAccountName,
    spec.template.spec.containers[0].image,spec.template.spec.containerConcurrency,spec.template.spec.timeoutSeconds,
    spec.template.metadata.annotations["autoscaling.knative.dev/maxScale"])'
  SERVICES="$(sed -n "s/^$REGION|//p" <<<"$FOUND")"
  ELSEWHERE="$(sed -n -E "/^${REGION}[|]/d; s/^([^|]*)[|](threads-(oauth|refresh))[|].*/\2|\1/p" <<<"$FOUND")"
}

# Whoever forgets REGION would make all of it once more, in another region, at addresses that Meta does not know.
look_at_regions() {
  local region
  list_services
  if [[ $ELSEWHERE && ! $SERVICES =~ (^|$'\n')threads-(oauth|refresh)\| ]]; then
    region="$(cut -d'|' -f2 <<<"$ELSEWHERE" | head -n 1)"
    die "The functions of $PROJECT_ID are in $region, and REGION is $REGION. Nothing was changed." \
      "Run the same with REGION=$region. To move them, take them down first; the tokens stay:" \
      "  PROJECT_ID=$PROJECT_ID REGION=$region ./deploy.sh remove"
  fi
}

check_elsewhere() {
  local name region
  while IFS='|' read -r name region; do
    if [[ $name == threads-refresh ]]; then
      wrong "there is another $name in $region, with a schedule of its own" \
        "$(delete_elsewhere "$region" run services "$name"); then $(delete_elsewhere "$region" scheduler jobs "$name")"
    elif [[ $name ]]; then
      wrong "there is another $name in $region" "$(delete_elsewhere "$region" run services "$name")"
    fi
  done <<<"$ELSEWHERE"
}

delete_elsewhere() {  # delete_elsewhere REGION run|scheduler services|jobs NAME
  local where=region
  if [[ $2 == scheduler ]]; then where=location; fi
  echo "gcloud $2 $3 delete $4 --$where=$1 --project=$PROJECT_ID --quiet"
}

invoker_check_off() {  # invoker_check_off SERVICE: gcloud writes "True", the console "true"
  local off
  IFS='|' read -r _ off _ <<<"$(grep "^$1|" <<<"$SERVICES" || true)"
  [[ ${off,,} == true ]]
}

# Google recommends switching the invoker check off; organisations that forbid allUsers allow it. An organisation may
# forbid that too (run.managed.requireInvokerIam): then allUsers is tried.
ensure_public() {
  local off=(gcloud run services update threads-oauth --region="$REGION" --no-invoker-iam-check) refusal try
  if invoker_check_off threads-oauth; then
    say there "threads-oauth is public"
  elif [[ $DRY_RUN ]]; then
    run "${off[@]}"
  else
    for ((try = 1; ; try++)); do
      if attempt "${off[@]}"; then break; fi
      passes "$SAID" "$try" && continue
      refusal="$SAID"
      ensure_all_users "$refusal"
      return
    done
    say updated "threads-oauth is public: its invoker check is off"
  fi
  read_policy service threads-oauth
  if grep -qxF "roles/run.invoker=allUsers" <<<"$(grants_in "$FOUND")"; then
    remove_grant service threads-oauth roles/run.invoker=allUsers   # of an earlier deploy
  fi
}

ensure_all_users() {  # ensure_all_users WHY-NOT-THE-OTHER-WAY
  local grant=roles/run.invoker=allUsers try
  policy_words add-iam-policy-binding service threads-oauth
  read_policy service threads-oauth
  if grep -qxF "$grant" <<<"$(grants_in "$FOUND")"; then
    say there "threads-oauth is public"
    return
  fi
  policy_words add-iam-policy-binding service threads-oauth
  for ((try = 1; ; try++)); do
    if attempt "${POLICY[@]}" --member=allUsers --role=roles/run.invoker --format=none; then break; fi
    passes "$SAID" "$try" || refused "$1"$'\n'"$SAID" "${POLICY[@]}"
  done
  say granted "threads-oauth is public: $grant"
}
