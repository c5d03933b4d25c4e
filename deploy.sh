#!/usr/bin/env bash
# Puts Threads Token Keeper on Google Cloud and looks after it there. `./deploy.sh --help` tells how.
#
# Every step looks first, creates what is absent, updates what differs, and says which; so a run that was refused
# half-way is simply run again. Everything that changes Google Cloud goes through `run`; everything that is asked for
# goes through `look`, whose answer is in FOUND (and not in a $(…), where a refusal would not stop the script).
# The value of a secret travels on standard input only.
set -euo pipefail

readonly MINIMUM_GCLOUD=528      # the oldest that this script was tried with
readonly BASE_IMAGE=python313    # supported until October 2029
readonly LABEL=threads-token-keeper
readonly APP_SECRET=threads-app-secret
readonly METRIC=threads_runs_completed
readonly REPOSITORY=threads-token-keeper
readonly ACCOUNTS=(threads-oauth threads-refresh threads-scheduler threads-build)
readonly APIS=(artifactregistry cloudbuild cloudresourcemanager cloudscheduler iam logging monitoring run
  secretmanager storage)

# Every six hours, at a minute when few others run. A token younger than a day is skipped, so one refresh a day comes
# of four calls, and three more are there when one fails. Two calls in a row may be lost (18 hours of silence) before
# the 23½ hours are over at which the alert speaks: a passing failure wakes nobody, a schedule that stopped does.
readonly SCHEDULE='17 */6 * * *'
readonly SILENCE=84600s          # the longest window that Cloud Monitoring allows

# ---------------------------------------------------------------------------------------------- who may do what
# Custom role id, title, permissions. (Ids have no "-".)
readonly ROLES=(
  "threadsTokenList|Threads Token Keeper: find the accounts|secretmanager.secrets.list"
  "threadsTokenStore|Threads Token Keeper: store a token, without reading any|secretmanager.secrets.get,secretmanager.secrets.update,secretmanager.versions.add,secretmanager.versions.destroy,secretmanager.versions.get,secretmanager.versions.list"
  "threadsTokenDeploy|Threads Token Keeper: schedule and alerts|cloudscheduler.jobs.create,cloudscheduler.jobs.get,cloudscheduler.jobs.run,cloudscheduler.jobs.update,logging.logMetrics.create,logging.logMetrics.get,logging.logMetrics.update,monitoring.alertPolicies.create,monitoring.alertPolicies.get,monitoring.alertPolicies.list,monitoring.alertPolicies.update,monitoring.notificationChannels.create,monitoring.notificationChannels.get,monitoring.notificationChannels.list,resourcemanager.projects.get"
  "threadsTokenInvokers|Threads Token Keeper: who may invoke a function|run.services.getIamPolicy,run.services.setIamPolicy"
)

# The whole of it, as ROLE=MEMBER lines: setup and functions grant this, check compares, remove takes it back.
grants_on() {  # grants_on project|secret|service|account NAME
  local oauth refresh scheduler build custom="projects/$PROJECT_ID/roles"
  oauth="$(member threads-oauth)" refresh="$(member threads-refresh)"
  scheduler="$(member threads-scheduler)" build="$(member threads-build)"
  case "$1 $2" in
    project*)
      echo "$custom/threadsTokenList=$oauth"
      echo "$custom/threadsTokenList=$refresh"
      echo "$custom/threadsTokenDeploy=$build"
      echo "roles/run.sourceDeveloper=$build"
      echo "roles/run.builder=$build"
      echo "roles/logging.logWriter=$build"
      echo "roles/serviceusage.serviceUsageConsumer=$build"
      ;;
    "secret $APP_SECRET")
      echo "roles/secretmanager.secretAccessor=$oauth"
      ;;
    secret*)
      echo "$custom/threadsTokenStore=$oauth"
      echo "$custom/threadsTokenStore=$refresh"
      echo "roles/secretmanager.secretAccessor=$refresh"
      ;;
    "service threads-oauth")
      echo "$custom/threadsTokenInvokers=$build"
      echo "roles/run.invoker=allUsers"
      ;;
    "service threads-refresh")
      echo "$custom/threadsTokenInvokers=$build"
      echo "roles/run.invoker=$scheduler"
      ;;
    account*)  # whoever deploys acts as the account that the thing then runs as
      echo "roles/iam.serviceAccountUser=$build"
      ;;
  esac
}

email() { echo "$1@$PROJECT_ID.iam.gserviceaccount.com"; }
member() { echo "serviceAccount:$(email "$1")"; }

# ------------------------------------------------------------------------------------------ talking to Google Cloud
die() {
  printf '%s\n' "$@" >&2
  exit 1
}

say() {  # say created|updated|there WHAT
  if [[ -z $DRY_RUN || $1 == there ]]; then printf '%-8s %s\n' "$1" "$2"; fi
}

# The one door for everything that changes something. RETRY_ON: a pattern in Google's message that is worth another try.
run() {
  if [[ $DRY_RUN ]]; then
    printf '+'
    printf ' %q' "$@"
    printf '\n'
    return
  fi
  local output attempt
  for ((attempt = 1; ; attempt++)); do
    if output="$("$@" 2>&1)"; then return; fi
    if [[ -z ${RETRY_ON:-} || ! $output =~ $RETRY_ON || $attempt -ge $RETRIES ]]; then refused "$output" "$@"; fi
    sleep "$RETRY_SECONDS"
  done
}

# What Google says of something into FOUND, or nothing where that is not there.
look() {
  if FOUND="$("$@" 2>"$SCRATCH/stderr")"; then return; fi
  FOUND=
  if grep -qE 'NOT_FOUND|SERVICE_DISABLED|[Nn]ot found|Cannot find|does not exist|has not been used' "$SCRATCH/stderr"; then return; fi
  refused "$(<"$SCRATCH/stderr")" "$@"
}

refused() {  # refused MESSAGE COMMAND...
  local message=$1
  shift
  {
    printf '\nGoogle refused: %s\n\n%s\n\n' "$(command_words "$@")" "$message"
    printf 'What to do: %s\n' "$(advice "$message" "$(command_words "$@")")"
    printf 'What was made so far stays. Run the same command again and it goes on from here.\n'
  } >&2
  exit 1
}

command_words() {  # the command without its flags and lists, which are long
  local word words=()
  for word in "$@"; do
    if [[ $word == --* ]]; then break; fi
    words+=("$word")
  done
  echo "${words[*]:0:7}"
}

advice() {  # advice MESSAGE COMMAND
  case "$1" in
    *[Bb]illing*)
      echo "link a billing account: https://console.cloud.google.com/billing/linkedaccount?project=$PROJECT_ID"
      ;;
    *"permitted customer"* | *allowedPolicyMemberDomains* | *requireInvokerIam*)
      echo "an organisation policy (Domain Restricted Sharing, constraints/iam.allowedPolicyMemberDomains) forbids allUsers,"
      echo "and Meta has to reach the sign-in page. Ask whoever administers the organisation to except project $PROJECT_ID from it."
      ;;
    *"ermission denied on secret"*)
      echo "a right that was given a moment ago takes up to a few minutes to arrive: wait, then try again."
      echo "If it stays so, ./deploy.sh setup gives the right again."
      ;;
    *SERVICE_DISABLED* | *"has not been used"* | *"is disabled"* | *"not enabled"*)
      echo "an API is off. ./deploy.sh setup turns it on; it takes up to a few minutes to arrive."
      ;;
    *"Cannot find metric"*)
      echo "Google needs up to ten minutes to know a new metric: try again then."
      ;;
    *"does not exist"*)
      echo "if ./deploy.sh setup has not run yet, run it; if it has just run, IAM needs a minute to know what is new."
      ;;
    *"uild failed"* | *FAILURE*)
      echo "read the build's log (Cloud Build → History in the console). What was deployed before still runs."
      ;;
    *PERMISSION_DENIED* | *"does not have permission"* | *"ermission"*denied* | *403*)
      echo "$ACCOUNT may not do \"$2\" in project $PROJECT_ID."
      echo "setup, account and remove want an owner; so does the first deploy. Later deploys can run as threads-build,"
      echo "which ./deploy.sh setup gives its rights; to act as your own, ask for the role that the message names."
      ;;
    *) echo "see the message above; \`gcloud --verbosity=debug\` tells more." ;;
  esac
}

# ------------------------------------------------------------------------------------------------ settings
settings() {
  local name
  REGION="${REGION:-us-central1}"
  for name in PROJECT_ID THREADS_APP_ID THREADS_APP_SECRET THREADS_USERNAMES ALERT_EMAIL "${PASSED_ON[@]}"; do
    printf -v "$name" '%s' "${!name:-}"
  done
  THREADS_USERNAMES="${THREADS_USERNAMES// /}"

  matches REGION '[a-z]+-[a-z]+[0-9]+' "such as us-central1"
  matches THREADS_APP_ID '[0-9]+' "the number under Threads App ID in Meta's dashboard, not the Meta App ID"
  matches THREADS_APP_SECRET '[[:graph:]]+' "the Threads App secret, without blanks"
  matches ALERT_EMAIL '[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+' "one e-mail address"
  matches THREADS_SCOPES '[a-z_]+(,[a-z_]+)*' "permissions with commas between them"
  if [[ $THREADS_SCOPES && ,$THREADS_SCOPES, != *,threads_basic,* ]]; then die "THREADS_SCOPES must hold threads_basic."; fi
  matches THREADS_AUTHORIZE_URL "$WEB_ADDRESS" "an https address"
  matches THREADS_API_URL "$WEB_ADDRESS" "an https address"
  matches REFRESH_AFTER_HOURS '[0-9]{1,5}' "a number of hours"
  if [[ $REFRESH_AFTER_HOURS ]] && ((10#$REFRESH_AFTER_HOURS < 24 || 10#$REFRESH_AFTER_HOURS > 1104)); then
    die "REFRESH_AFTER_HOURS must be 24 (Threads refuses less) to 1104 (46 of a token's 60 days)."
  fi
  matches REFRESH_BUDGET_SECONDS '[1-9][0-9]{0,3}' "a number of seconds"
  if [[ $REFRESH_BUDGET_SECONDS && $REFRESH_BUDGET_SECONDS -gt 1700 ]]; then die "REFRESH_BUDGET_SECONDS is above 1700; a call ends at 1740."; fi
  if [[ $THREADS_USERNAMES ]]; then
    IFS=, read -ra USERNAMES <<<"$THREADS_USERNAMES"
    check_usernames "${USERNAMES[@]}"
  fi
}

readonly PASSED_ON=(THREADS_SCOPES THREADS_AUTHORIZE_URL THREADS_API_URL REFRESH_AFTER_HOURS REFRESH_BUDGET_SECONDS)
readonly WEB_ADDRESS='(https://[A-Za-z0-9.-]+|http://(localhost|127\.0\.0\.1))(:[0-9]+)?(/[A-Za-z0-9._~-]+)*'
USERNAMES=()

matches() {  # matches SETTING PATTERN MEANING: an empty setting is one that was not given. Never prints the value.
  if [[ ${!1} && ! ${!1} =~ ^($2)$ ]]; then die "$1 is not what it should be: $3."; fi
}

check_usernames() {
  local name
  for name in "$@"; do
    if [[ ! ${name,,} =~ ^[a-z0-9._]{1,30}$ ]]; then
      die "'$name' is not a Threads username: 1 to 30 letters, digits, '.' and '_', without the @."
    fi
  done
}

# A username has no "-", so the "." can be had back.
secret_of() {
  local name=${1,,}
  echo "threads-token-${name//./-}"
}

username_of() {
  local name=${1#threads-token-}
  echo "${name//-/.}"
}

# Everything that can be wrong before the first write.
google_cloud() {
  local version
  command -v gcloud >/dev/null || die "gcloud is not installed: https://cloud.google.com/sdk/docs/install"
  version="$(gcloud version --format='value("Google Cloud SDK")')"
  if [[ ${version%%.*} -lt $MINIMUM_GCLOUD ]]; then
    die "gcloud $version is too old, $MINIMUM_GCLOUD or newer is needed: gcloud components update"
  fi
  gcloud auth print-access-token >/dev/null 2>&1 || die "gcloud is not signed in: gcloud auth login"
  ACCOUNT="$(gcloud config get-value core/account 2>/dev/null)"
  ACCOUNT="${ACCOUNT:-the account that gcloud is signed in with}"
  PROJECT_ID="${PROJECT_ID:-$(gcloud config get-value core/project 2>/dev/null)}"
  if [[ -z $PROJECT_ID ]]; then die "No project: set PROJECT_ID, or gcloud config set project PROJECT_ID"; fi
  matches PROJECT_ID '([a-z0-9.-]+:)?[a-z][a-z0-9-]+' "a project id, such as my-project-123"
  export CLOUDSDK_CORE_PROJECT="$PROJECT_ID"
  look gcloud projects describe "$PROJECT_ID" --format='value(projectNumber)'
  PROJECT_NUMBER="$FOUND"
  if [[ -z $PROJECT_NUMBER ]]; then die "There is no project $PROJECT_ID that $ACCOUNT can see."; fi
  PUBLIC_URL="https://threads-oauth-$PROJECT_NUMBER.$REGION.run.app"   # known before the first deploy
  REFRESH_URL="https://threads-refresh-$PROJECT_NUMBER.$REGION.run.app"
  if [[ $DRY_RUN ]]; then echo "+ export CLOUDSDK_CORE_PROJECT=$PROJECT_ID"; fi
}

need_app_id() {
  if [[ -z $THREADS_APP_ID ]]; then
    die "Set THREADS_APP_ID: in Meta's dashboard, App settings → Basic → Threads App ID (not the Meta App ID at the top)."
  fi
}

# Asked for before anything is written, so that nobody comes back to a script that waits in the middle.
need_app_secret() {
  if [[ $THREADS_APP_SECRET || $DRY_RUN ]]; then return; fi
  newest_version "$APP_SECRET"
  if [[ $FOUND == *ENABLED ]]; then return; fi
  if [[ ! -t 0 ]]; then die "Set THREADS_APP_SECRET: no app secret is stored yet, and there is no terminal to ask on."; fi
  read -rsp 'Threads App secret (not shown): ' THREADS_APP_SECRET
  echo
  if [[ -z $THREADS_APP_SECRET ]]; then die "No app secret given."; fi
  matches THREADS_APP_SECRET '[[:graph:]]+' "the Threads App secret, without blanks"
}

newest_version() {  # NUMBER|STATE or nothing, into FOUND: `latest` is the newest created, whatever its state
  look gcloud secrets versions list "$1" --limit=1 --format='value[separator="|"](name.basename(),state)'
  FOUND="${FOUND^^}"
}

# ------------------------------------------------------------------------------------------------ setup
setup() {
  local name role
  ensure_apis
  for name in "${ACCOUNTS[@]}"; do ensure_service_account "$name"; done
  for role in "${ROLES[@]}"; do ensure_role "$role"; done
  ensure_grants project "$PROJECT_ID"
  for name in "${ACCOUNTS[@]}"; do ensure_grants account "$name"; done
  ensure_repository
  ensure_secret "$APP_SECRET"
  ensure_app_secret_value
  ensure_grants secret "$APP_SECRET"
  for name in "${USERNAMES[@]}"; do allow "$name"; done
}

allow() {  # one account: its secret is what allows it
  local secret
  secret="$(secret_of "$1")"
  ensure_secret "$secret" "$LABEL"
  ensure_grants secret "$secret"
}

ensure_apis() {
  local enabled api missing=()
  look gcloud services list --enabled --format='value(config.name)'
  enabled="$FOUND"
  for api in "${APIS[@]}"; do
    if ! grep -qx "$api.googleapis.com" <<<"$enabled"; then missing+=("$api.googleapis.com"); fi
  done
  if [[ ${#missing[@]} -eq 0 ]]; then
    say there "APIs"
    return
  fi
  run gcloud services enable "${missing[@]}"
  say created "APIs: ${missing[*]}"
}

ensure_service_account() {
  look gcloud iam service-accounts describe "$(email "$1")" --format='value(email)'
  if [[ $FOUND ]]; then
    say there "service account $1"
    return
  fi
  run gcloud iam service-accounts create "$1" --display-name="Threads Token Keeper: ${1#threads-}"
  say created "service account $1"
}

ensure_role() {  # ensure_role 'ID|TITLE|PERMISSIONS'
  local id title permissions deleted actual
  IFS='|' read -r id title permissions <<<"$1"
  look gcloud iam roles describe "$id" --project="$PROJECT_ID" --format='value[separator="|"](deleted,includedPermissions.list())'
  IFS='|' read -r deleted actual <<<"$FOUND"
  if [[ -z $actual ]]; then
    run gcloud iam roles create "$id" --project="$PROJECT_ID" --title="$title" --permissions="$permissions" --stage=GA
    say created "role $id"
    return
  fi
  if [[ $deleted == True ]]; then  # its id stays taken for a week
    run gcloud iam roles undelete "$id" --project="$PROJECT_ID"
    say created "role $id, again"
  fi
  if same_words "$actual" "$permissions"; then
    if [[ $deleted != True ]]; then say there "role $id"; fi
    return
  fi
  run gcloud iam roles update "$id" --project="$PROJECT_ID" --permissions="$permissions"
  say updated "role $id"
}

same_words() {  # two lists, whatever their order
  [[ $(tr ',; ' '\n' <<<"$1" | sort) == "$(tr ',; ' '\n' <<<"$2" | sort)" ]]
}

# gcloud's words for a policy, into POLICY: policy_of get-iam-policy secret NAME
policy_of() {
  case "$2" in
    # As soon as a project has any conditional binding, gcloud refuses to add or remove one without --condition.
    project)
      POLICY=(gcloud projects "$1" "$3")
      if [[ $1 != get-* ]]; then POLICY+=(--condition=None); fi
      ;;
    secret) POLICY=(gcloud secrets "$1" "$3") ;;
    service) POLICY=(gcloud run services "$1" "$3" --region="$REGION") ;;
    account) POLICY=(gcloud iam service-accounts "$1" "$(email "$3")") ;;
  esac
}

granted_on() {  # the ROLE=MEMBER lines that are there, into FOUND
  FOUND=
  if [[ $1 == account ]]; then return; fi   # gcloud reads it by another name than it writes; a second grant is harmless
  policy_of get-iam-policy "$@"
  look "${POLICY[@]}" --flatten='bindings[].members' --format='value[separator="="](bindings.role,bindings.members)'
}

ensure_grants() {  # ensure_grants KIND NAME
  local granted wanted
  granted_on "$@"
  granted="$FOUND"
  for wanted in $(grants_on "$@"); do
    if grep -qxF "$wanted" <<<"$granted"; then
      say there "$2: ${wanted#projects/*/}"
      continue
    fi
    policy_of add-iam-policy-binding "$@"
    # IAM needs some seconds to know a service account or a role that was just made.
    RETRY_ON='does not exist' RETRIES=12 RETRY_SECONDS=5 run "${POLICY[@]}" --member="${wanted#*=}" --role="${wanted%%=*}"
    say granted "$2: ${wanted#projects/*/}"
  done
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

ensure_secret() {  # ensure_secret NAME [LABEL]
  local name labels wanted="${2:+managed-by=$2}"
  look gcloud secrets describe "$1" --format='value[separator="|"](name,labels.managed-by)'
  IFS='|' read -r name labels <<<"$FOUND"
  if [[ -z $name ]]; then
    run gcloud secrets create "$1" --replication-policy=automatic ${wanted:+"--labels=$wanted"}
    say created "secret $1"
  elif [[ $wanted && $labels != "$2" ]]; then
    run gcloud secrets update "$1" --update-labels="$wanted"
    say updated "secret $1: label $wanted"
  else
    say there "secret $1"
  fi
}

ensure_app_secret_value() {
  newest_version "$APP_SECRET"
  if [[ $FOUND == *ENABLED && $THREADS_APP_SECRET ]]; then
    look gcloud secrets versions access latest --secret="$APP_SECRET"
    if [[ $FOUND != "$THREADS_APP_SECRET" ]]; then FOUND=; fi
  fi
  if [[ $FOUND ]]; then
    say there "app secret"
    return
  fi
  printf '%s' "$THREADS_APP_SECRET" | run gcloud secrets versions add "$APP_SECRET" --data-file=-
  # A running instance keeps the value that it started with.
  say updated "app secret: ./deploy.sh functions makes threads-oauth take it up"
}

# ------------------------------------------------------------------------------------------------ functions
functions() {
  ensure_metric   # first, because Monitoring needs minutes to know it
  deploy_oauth
  deploy_refresh
  ensure_grants service threads-refresh
  ensure_job
  ensure_grants service threads-oauth
  ensure_alerts
  ensure_first_run
}

# set- and not update-: a setting that is no longer given falls back to its default, nothing lingers.
deploy_oauth() {
  deploy threads-oauth oauth \
    --set-env-vars="$(settings_of "PUBLIC_URL=$PUBLIC_URL" "THREADS_APP_ID=$THREADS_APP_ID" THREADS=32 \
      THREADS_SCOPES THREADS_AUTHORIZE_URL THREADS_API_URL)" \
    --set-secrets="THREADS_APP_SECRET=$APP_SECRET:latest" \
    --concurrency=32 --max-instances=3 --timeout=100   # a callback answers within 90 seconds
}

deploy_refresh() {
  deploy threads-refresh refresh --no-allow-unauthenticated \
    --set-env-vars="$(settings_of THREADS_API_URL REFRESH_AFTER_HOURS REFRESH_BUDGET_SECONDS)" --clear-secrets \
    --concurrency=1 --max-instances=1 --timeout=1740   # below the schedule's 1800: the schedule hears the answer
}

# threads-oauth is made public by a grant of its own: `run deploy --allow-unauthenticated` succeeds where that part was
# refused, and --no-allow-unauthenticated would close the page for the time of every deploy.
deploy() {  # deploy SERVICE TARGET FLAGS...
  local service=$1 target=$2
  shift 2
  if [[ -z $DRY_RUN ]]; then echo "building $service, which takes some minutes"; fi
  run gcloud run deploy "$service" --region="$REGION" --source="$HERE" --function="$target" --base-image="$BASE_IMAGE" \
    --image="$REGION-docker.pkg.dev/${PROJECT_ID/://}/$REPOSITORY/$service" \
    --service-account="$(email "$service")" \
    --build-service-account="projects/$PROJECT_ID/serviceAccounts/$(email threads-build)" \
    --memory=256Mi --cpu=1 --cpu-boost --min-instances=0 "$@"
  say updated "service $service"
}

# Scopes hold commas, so ";" stands between the settings.
settings_of() {  # settings_of NAME=VALUE|NAME...: a NAME alone is passed on where it is set
  local setting list="GOOGLE_CLOUD_PROJECT=$PROJECT_ID"
  for setting in "$@"; do
    if [[ $setting == *=* ]]; then list+=";$setting"; elif [[ ${!setting} ]]; then list+=";$setting=${!setting}"; fi
  done
  echo "^;^$list"
}

ensure_job() {
  local verb=update actual wanted flags
  wanted="$SCHEDULE|Etc/UTC|$REFRESH_URL/|POST|$(email threads-scheduler)|$REFRESH_URL|1800s|5|60s|600s"
  look gcloud scheduler jobs describe threads-refresh --location="$REGION" --format='value[separator="|"](
    schedule,timeZone,httpTarget.uri,httpTarget.httpMethod,httpTarget.oidcToken.serviceAccountEmail,
    httpTarget.oidcToken.audience,attemptDeadline,
    retryConfig.retryCount,retryConfig.minBackoffDuration,retryConfig.maxBackoffDuration)'
  actual="$FOUND"
  if [[ $actual == "$wanted" ]]; then
    say there "job threads-refresh"
    return
  fi
  if [[ -z $actual ]]; then verb=create; fi
  flags=(--location="$REGION" --schedule="$SCHEDULE" --time-zone=Etc/UTC --uri="$REFRESH_URL/" --http-method=post
    --oidc-service-account-email="$(email threads-scheduler)" --oidc-token-audience="$REFRESH_URL"
    --attempt-deadline=1800s --max-retry-attempts=5 --min-backoff=60s --max-backoff=600s)
  run gcloud scheduler jobs "$verb" http threads-refresh "${flags[@]}"
  say "${verb}d" "job threads-refresh"
}

# The silence alert counts from the first completed run on; so there is one now, and not in six hours.
ensure_first_run() {
  look gcloud scheduler jobs describe threads-refresh --location="$REGION" --format='value(lastAttemptTime)'
  if [[ $FOUND ]]; then return; fi
  run gcloud scheduler jobs run threads-refresh --location="$REGION"
  say created "the first run"
}

# ------------------------------------------------------------------------------------------------ alerts
readonly COMPLETED='resource.type="cloud_run_revision" AND resource.labels.service_name="threads-refresh" AND jsonPayload.event="run_completed"'
readonly FAILED='resource.type="cloud_run_revision" AND resource.labels.service_name=("threads-oauth" OR "threads-refresh") AND severity>=ERROR AND jsonPayload.event:*'

ensure_metric() {
  local filter
  look gcloud logging metrics describe "$METRIC" --format='value(filter)'
  filter="$FOUND"
  if [[ $filter == "$COMPLETED" ]]; then
    say there "metric $METRIC"
  elif [[ $filter ]]; then
    run gcloud logging metrics update "$METRIC" --log-filter="$COMPLETED"
    say updated "metric $METRIC"
  else
    run gcloud logging metrics create "$METRIC" --description="Completed runs of threads-refresh" --log-filter="$COMPLETED"
    say created "metric $METRIC"
  fi
}

# `gcloud monitoring policies` and `channels` are alpha in older releases.
POLICIES=() CHANNELS=()

find_monitoring() {
  if [[ ${#POLICIES[@]} -gt 0 ]]; then return; fi
  POLICIES=(gcloud alpha monitoring policies)
  CHANNELS=(gcloud alpha monitoring channels)
  if gcloud monitoring policies --help >/dev/null 2>&1; then POLICIES=(gcloud monitoring policies); fi
  if gcloud monitoring channels --help >/dev/null 2>&1; then CHANNELS=(gcloud monitoring channels); fi
}

alerts() {  # NAME|PART|SPEC|ENABLED|CHANNELS, a line each, into FOUND
  find_monitoring
  look "${POLICIES[@]}" list --filter="userLabels.managed-by=\"$LABEL\"" \
    --format='value[separator="|"](name,userLabels.part,userLabels.spec,enabled,notificationChannels.list())'
}

ensure_alerts() {
  local known channel
  ensure_channel
  channel="$FOUND"
  alerts
  known="$FOUND"
  ensure_alert errors "$known" "$channel"
  ensure_alert silence "$known" "$channel"
}

ensure_channel() {  # its name into FOUND, or nothing where no ALERT_EMAIL is given
  FOUND=
  if [[ -z $ALERT_EMAIL ]]; then return; fi
  look_for_channel
  if [[ $FOUND ]]; then
    say there "e-mail channel $ALERT_EMAIL"
    return
  fi
  run "${CHANNELS[@]}" create --type=email --display-name="Threads Token Keeper" \
    --channel-labels="email_address=$ALERT_EMAIL" --user-labels="managed-by=$LABEL"
  say created "e-mail channel $ALERT_EMAIL"
  look_for_channel
  if [[ $DRY_RUN ]]; then FOUND=CHANNEL; fi
}

look_for_channel() {
  find_monitoring
  look "${CHANNELS[@]}" list --filter="type=\"email\" AND labels.email_address=\"$ALERT_EMAIL\"" --limit=1 --format='value(name)'
}

ensure_alert() {  # ensure_alert PART KNOWN CHANNEL
  local name spec channels wanted line
  line="$(grep "|$1|" <<<"$2" | head -n 1 || true)"
  IFS='|' read -r name _ spec _ channels <<<"$line"
  # An update replaces the channels too: those that are there, and the one asked for, are given again.
  wanted="$(tr -s ',;' '\n' <<<"$channels,$3" | sort -u | grep . | paste -sd, - || true)"
  if [[ $name && $spec == "$(alert_spec "$1")" ]] && same_words "$channels" "$wanted"; then
    say there "alert on $1"
  elif [[ $name ]]; then
    run "${POLICIES[@]}" update "$name" --policy="$(alert_policy "$1" "$(alert_spec "$1")" "$wanted")"
    say updated "alert on $1"
  else
    RETRY_ON='Cannot find metric' RETRIES=21 RETRY_SECONDS=30 \
      run "${POLICIES[@]}" create --policy="$(alert_policy "$1" "$(alert_spec "$1")" "$wanted")"
    say created "alert on $1"
  fi
}

alert_spec() { alert_policy "$1" "" "" | cksum | cut -d' ' -f1; }   # changes when the text below does

alert_policy() {  # alert_policy errors|silence SPEC CHANNELS
  local channels="" name help condition strategy
  if [[ $3 ]]; then channels="\"${3//,/\",\"}\""; fi
  if [[ $1 == errors ]]; then
    name="a person must do something"
    help="The keeper wrote an ERROR: its message says what to do. ./deploy.sh check and status tell more."
    condition="\"conditionMatchedLog\": {\"filter\": \"${FAILED//\"/\\\"}\"}"
    strategy='"notificationRateLimit": {"period": "21600s"}, "autoClose": "604800s"'
  else
    name="no run for a day"
    help="threads-refresh has completed no run for $SILENCE. Tokens live 60 days. ./deploy.sh check tells what is wrong."
    # Summed over every series: a new revision begins a new series, and the end of the old one is no silence.
    condition="\"conditionAbsent\": {\"duration\": \"$SILENCE\",
      \"filter\": \"metric.type=\\\"logging.googleapis.com/user/$METRIC\\\" AND resource.type=\\\"cloud_run_revision\\\"\",
      \"aggregations\": [{\"alignmentPeriod\": \"600s\", \"perSeriesAligner\": \"ALIGN_SUM\", \"crossSeriesReducer\": \"REDUCE_SUM\"}]}"
    strategy='"autoClose": "604800s"'
  fi
  cat <<JSON
{"displayName": "Threads Token Keeper: $name", "combiner": "OR",
 "documentation": {"content": "$help", "mimeType": "text/markdown"},
 "userLabels": {"managed-by": "$LABEL", "part": "$1", "spec": "$2"},
 "conditions": [{"displayName": "$name", $condition}],
 "alertStrategy": {$strategy},
 "notificationChannels": [$channels]}
JSON
}

# ------------------------------------------------------------------------------------------------ status
# SECRET|LABEL|VERSION|REFRESHED|EXPIRES|GRANT of everything that is named like an account's secret
account_secrets() {
  look gcloud secrets list --format='value[separator="|"](name.basename(),labels.managed-by,annotations.version,
    annotations.refreshed-at,annotations.expires-at,annotations.data-access-expires-at)'
  FOUND="$(grep '^threads-token-' <<<"$FOUND" || true)"
}

last_run() {  # WHEN|MESSAGE of the last completed run, within a week
  look gcloud logging read "$COMPLETED" --limit=1 --freshness=7d --format='value[separator="|"](timestamp,jsonPayload.message)'
}

last_attempt() {  # STATE|WHEN|CODE
  look gcloud scheduler jobs describe threads-refresh --location="$REGION" \
    --format='value[separator="|"](state,lastAttemptTime,status.code)'
}

status() {
  local secret label version refreshed expires grant state when code message
  account_secrets
  printf '%-32s %-8s %-21s %-21s %s\n' ACCOUNT VERSION REFRESHED EXPIRES "GRANT UNTIL"
  while IFS='|' read -r secret label version refreshed expires grant; do
    if [[ $label != "$LABEL" ]]; then continue; fi
    printf '%-32s %-8s %-21s %-21s %s\n' "$(username_of "$secret")" "${version:--}" "${refreshed:--}" "${expires:--}" "${grant:--}"
  done <<<"$FOUND"
  last_run
  IFS='|' read -r when message <<<"$FOUND"
  echo
  echo "last completed run: ${when:-none in a week} ${message:-}"
  last_attempt
  IFS='|' read -r state when code <<<"$FOUND"
  echo "schedule: ${state:-there is none}; last attempt: ${when:-none}$(if [[ $code && $code != 0 ]]; then echo ", which failed (code $code)"; fi)"
}

seconds_of() {  # RFC 3339 in UTC to Unix seconds, by the civil calendar: `date -d` is not everywhere
  if [[ ! $1 =~ ^([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2}) ]]; then
    echo 0
    return
  fi
  local year=$((10#${BASH_REMATCH[1]})) month=$((10#${BASH_REMATCH[2]})) day=$((10#${BASH_REMATCH[3]})) days
  if ((month <= 2)); then ((year -= 1, month += 12)); fi   # a year that ends with February has its leap day last
  ((days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * (month - 3) + 2) / 5 + day - 1 - 719468))
  echo $((days * 86400 + 10#${BASH_REMATCH[4]} * 3600 + 10#${BASH_REMATCH[5]} * 60 + 10#${BASH_REMATCH[6]}))
}

days_left() {
  local now
  printf -v now '%(%s)T' -1
  echo $((($(seconds_of "$1") - now) / 86400))
}

# ------------------------------------------------------------------------------------------------ check
PROBLEMS=0

good() { if [[ $VERBOSE ]]; then printf 'good   %s\n' "$1"; fi; }

wrong() {  # wrong WHAT HOW-TO-MEND
  PROBLEMS=$((PROBLEMS + 1))
  printf 'WRONG  %s\n       → %s\n' "$1" "$2"
}

check() {
  check_apis
  if [[ $PROBLEMS -eq 0 ]]; then   # with an API off, nothing below could be looked at
    check_identities
    check_function threads-oauth
    check_function threads-refresh
    check_addresses
    check_credentials
    check_schedule
    check_last_run
    check_alerts
    account_secrets
    check_accounts "$FOUND"
  fi
  if [[ $PROBLEMS -gt 0 ]]; then
    echo
    echo "$PROBLEMS to mend."
    exit 1
  fi
  echo "all well"
}

check_apis() {
  local enabled api missing=()
  look gcloud services list --enabled --format='value(config.name)'
  enabled="$FOUND"
  for api in "${APIS[@]}"; do
    if ! grep -qx "$api.googleapis.com" <<<"$enabled"; then missing+=("$api"); fi
  done
  if [[ ${#missing[@]} -gt 0 ]]; then wrong "APIs that are off: ${missing[*]}" "./deploy.sh setup"; else good "APIs on"; fi
}

check_identities() {
  local emails name role id permissions deleted actual
  look gcloud iam service-accounts list --format='value(email)'
  emails="$FOUND"
  for name in "${ACCOUNTS[@]}"; do
    if ! grep -qxF "$(email "$name")" <<<"$emails"; then wrong "no service account $name" "./deploy.sh setup"; fi
  done
  for role in "${ROLES[@]}"; do
    IFS='|' read -r id _ permissions <<<"$role"
    look gcloud iam roles describe "$id" --project="$PROJECT_ID" --format='value[separator="|"](deleted,includedPermissions.list())'
    IFS='|' read -r deleted actual <<<"$FOUND"
    if [[ $deleted == True ]] || ! same_words "$actual" "$permissions"; then wrong "role $id is not as it should be" "./deploy.sh setup"; fi
  done
  check_grants project "$PROJECT_ID"
  check_grants secret "$APP_SECRET"
}

# Rights that are missing, and rights of our accounts (or of everybody) that nobody here gave.
check_grants() {  # check_grants KIND NAME
  local granted wanted grant again=setup before=$PROBLEMS
  case "$1 $2" in
    service*) again=functions ;;
    "secret threads-token-"*) again="account $(username_of "$2")" ;;
  esac
  granted_on "$@"
  granted="$FOUND"
  wanted="$(grants_on "$@")"
  for grant in $wanted; do
    if ! grep -qxF "$grant" <<<"$granted"; then wrong "missing right on $2: ${grant#projects/*/}" "./deploy.sh $again"; fi
  done
  for grant in $granted; do
    if is_ours "${grant#*=}" && ! grep -qxF "$grant" <<<"$wanted"; then
      policy_of remove-iam-policy-binding "$@"
      wrong "right too wide on $2: ${grant#projects/*/}" "${POLICY[*]} --member='${grant#*=}' --role='${grant%%=*}'"
    fi
  done
  if [[ $PROBLEMS -eq $before ]]; then good "rights on $2"; fi
}

is_ours() {
  local name
  for name in "${ACCOUNTS[@]}"; do
    if [[ $1 == *"serviceAccount:$(email "$name")"* ]]; then return 0; fi
  done
  [[ $1 == allUsers || $1 == allAuthenticatedUsers ]]
}

environment_of() {  # NAME=VALUE lines into FOUND; a mounted secret is NAME==SECRET
  look gcloud run services describe "$1" --region="$REGION" --flatten='spec.template.spec.containers[0].env[]' \
    --format='value[separator="="](spec.template.spec.containers[0].env.name,spec.template.spec.containers[0].env.value,
      spec.template.spec.containers[0].env.valueFrom.secretKeyRef.name)'
}

check_function() {
  local ready account environment url
  look gcloud run services describe "$1" --region="$REGION" \
    --format='value[separator="|"](spec.template.spec.serviceAccountName,status.conditions.extract("status").flatten())'
  IFS='|' read -r account ready <<<"$FOUND"
  if [[ -z $account ]]; then
    wrong "function $1 is not there in $REGION" "./deploy.sh functions"
    return
  fi
  if [[ $account != "$(email "$1")" ]]; then wrong "$1 runs as $account" "./deploy.sh functions"; fi
  if [[ $ready == *False* ]]; then wrong "the last deploy of $1 is not ready" "read its log: gcloud run services logs read $1 --region=$REGION"; fi
  check_grants service "$1"
  environment_of "$1"
  environment="$FOUND"
  if [[ $1 == threads-refresh ]]; then
    if grep -q "^THREADS_APP_SECRET=" <<<"$environment"; then wrong "threads-refresh is given the app secret" "./deploy.sh functions"; fi
    return
  fi
  DEPLOYED_APP_ID="$(sed -n 's/^THREADS_APP_ID=//p' <<<"$environment" | sed 's/=*$//')"
  DEPLOYED_API_URL="$(sed -n 's/^THREADS_API_URL=//p' <<<"$environment" | sed 's/=*$//')"
  url="$(sed -n 's/^PUBLIC_URL=//p' <<<"$environment" | sed 's/=*$//')"
  if [[ $url != "$PUBLIC_URL" ]]; then wrong "PUBLIC_URL of threads-oauth is ${url:-not set}, its address is $PUBLIC_URL" "./deploy.sh functions"; fi
  if ! grep -q "^THREADS_APP_SECRET==$APP_SECRET" <<<"$environment"; then wrong "threads-oauth is not given the app secret" "./deploy.sh functions"; fi
}
DEPLOYED_APP_ID=
DEPLOYED_API_URL=

http_status() { curl --disable --silent --output /dev/null --max-time 30 --write-out '%{http_code}' "$1" || true; }

check_addresses() {
  local answer
  answer="$(http_status "$PUBLIC_URL/")"
  case "$answer" in
    200) good "sign-in page answers" ;;
    401 | 403) wrong "the sign-in page is not public ($answer)" "./deploy.sh functions; if it is refused there, an organisation policy forbids allUsers" ;;
    404) wrong "nothing answers at $PUBLIC_URL (404)" "./deploy.sh functions, with the REGION that the functions are in" ;;
    000) wrong "$PUBLIC_URL cannot be reached" "try from another network; then ./deploy.sh functions" ;;
    *) wrong "the sign-in page answers $answer" "read its log: gcloud run services logs read threads-oauth --region=$REGION" ;;
  esac
  answer="$(http_status "$REFRESH_URL/")"
  case "$answer" in
    401 | 403) good "refresh is private" ;;
    404 | 000) wrong "nothing answers at $REFRESH_URL ($answer)" "./deploy.sh functions" ;;
    *) wrong "refresh answers everybody ($answer)" "gcloud run services remove-iam-policy-binding threads-refresh --region=$REGION --member=allUsers --role=roles/run.invoker" ;;
  esac
}

# Asks Threads for an app token with the id and the secret that sign-in uses. Both travel on standard input, and the
# answer holds a token: only its error code is ever shown.
check_credentials() {
  local secret answer code url="${THREADS_API_URL:-${DEPLOYED_API_URL:-https://graph.threads.com}}" id="${DEPLOYED_APP_ID:-$THREADS_APP_ID}"
  newest_version "$APP_SECRET"
  if [[ $FOUND != *ENABLED ]]; then
    wrong "no app secret is stored" "THREADS_APP_SECRET=… ./deploy.sh"
    return
  fi
  if [[ -z $id ]]; then return; fi   # no function yet, which was said
  if ! secret="$(gcloud secrets versions access latest --secret="$APP_SECRET" 2>/dev/null)"; then
    echo "note   $ACCOUNT may not read $APP_SECRET, so Threads was not asked whether it is right"
    return
  fi
  secret="${secret//\\/\\\\}" secret="${secret//\"/\\\"}"   # as curl's config file wants it
  answer="$(printf 'get\nurl = "%s/oauth/access_token"\ndata-urlencode = "client_id=%s"\ndata-urlencode = "client_secret=%s"\ndata = "grant_type=client_credentials"\n' \
    "$url" "$id" "$secret" | curl --disable --silent --max-time 30 --write-out '\n%{http_code}' --config - || true)"
  code="$(grep -oE '"(error_)?code" *: *[0-9]+' <<<"$answer" | grep -oE '[0-9]+' | head -n 1 || true)"
  case "${answer##*$'\n'} ${code:-0} ${answer,,}" in
    200\ *'"access_token"'*) good "Threads accepts the app id and secret" ;;
    429\ * | 5??\ * | 000\ * | *'"is_transient":true'*) wrong "Threads could not be asked about the app id and secret (${answer##*$'\n'})" "run ./deploy.sh check again later" ;;
    *"client secret"*) wrong "Threads refuses the app secret (code ${code:-none})" "copy it again (App settings → Basic → Threads App secret): THREADS_APP_SECRET=… ./deploy.sh" ;;
    *) wrong "Threads does not know THREADS_APP_ID $id (code ${code:-none}): is it the Meta App ID?" "App settings → Basic → Threads App ID, further down than the Meta App ID: THREADS_APP_ID=… ./deploy.sh functions" ;;
  esac
}

check_schedule() {
  local state uri audience as when code
  look gcloud scheduler jobs describe threads-refresh --location="$REGION" \
    --format='value[separator="|"](state,httpTarget.uri,httpTarget.oidcToken.audience,httpTarget.oidcToken.serviceAccountEmail,lastAttemptTime,status.code)'
  IFS='|' read -r state uri audience as when code <<<"$FOUND"
  if [[ -z $state ]]; then
    wrong "there is no schedule" "./deploy.sh functions"
    return
  fi
  if [[ $state != ENABLED ]]; then wrong "the schedule is $state" "gcloud scheduler jobs resume threads-refresh --location=$REGION"; fi
  if [[ ${uri%/} != "$REFRESH_URL" ]]; then wrong "the schedule calls $uri" "./deploy.sh functions"; fi
  if [[ ${audience%/} != "$REFRESH_URL" ]]; then wrong "the schedule's audience is ${audience:-not set}" "./deploy.sh functions"; fi
  if [[ $as != "$(email threads-scheduler)" ]]; then wrong "the schedule calls as ${as:-nobody}" "./deploy.sh functions"; fi
  case "$code" in
    '' | 0) good "schedule" ;;
    7 | 16) wrong "the last scheduled call was not let in (code $code, $when)" "./deploy.sh functions gives threads-scheduler the right again" ;;
    *) wrong "the last scheduled call failed (code $code, $when)" "gcloud logging read 'resource.labels.service_name=\"threads-refresh\" AND severity>=WARNING' --freshness=1d" ;;
  esac
}

check_last_run() {
  local when message severity now
  last_run
  IFS='|' read -r when message <<<"$FOUND"
  printf -v now '%(%s)T' -1
  if [[ -z $when ]]; then
    wrong "no run has completed in a week" "gcloud scheduler jobs run threads-refresh --location=$REGION, then check again"
  elif ((now - $(seconds_of "$when") > 86400)); then
    wrong "the last completed run is older than a day: $when" "gcloud scheduler jobs run threads-refresh --location=$REGION, then check again"
  else
    good "last run $when"
  fi
  # What the keeper asked a person to do in the last round of the schedule.
  look gcloud logging read "$FAILED" --limit=5 --freshness=6h --format='value[separator="|"](timestamp,severity,jsonPayload.message)'
  while IFS='|' read -r when severity message; do
    if [[ $when ]]; then wrong "$severity at $when" "$message"; fi
  done <<<"$FOUND"
}

check_alerts() {
  local known part name enabled channels channel off
  alerts
  known="$FOUND"
  look gcloud logging metrics describe "$METRIC" --format='value(name)'
  if [[ -z $FOUND ]]; then wrong "the metric $METRIC is missing" "./deploy.sh functions"; fi
  look "${CHANNELS[@]}" list --filter='enabled=false' --format='value(name)'
  off="$FOUND"
  for part in errors silence; do
    IFS='|' read -r name _ _ enabled channels <<<"$(grep "|$part|" <<<"$known" | head -n 1 || true)"
    if [[ -z $name ]]; then
      wrong "there is no alert on $part" "./deploy.sh functions"
      continue
    fi
    if [[ $enabled != True ]]; then wrong "the alert on $part is disabled" "enable it: https://console.cloud.google.com/monitoring/alerting/policies?project=$PROJECT_ID"; fi
    if [[ -z $channels ]]; then wrong "the alert on $part reaches nobody" "ALERT_EMAIL=you@example.com ./deploy.sh functions"; else good "alert on $part"; fi
    for channel in ${channels//[,;]/ }; do
      if grep -qxF "$channel" <<<"$off"; then wrong "the alert on $part goes to a channel that is disabled" "https://console.cloud.google.com/monitoring/alerting/notifications?project=$PROJECT_ID"; fi
    done
  done
}

check_accounts() {  # check_accounts SECRETS
  local secret label version refreshed expires grant found=
  while IFS='|' read -r secret label version refreshed expires grant; do
    if [[ -z $secret ]]; then continue; fi
    if [[ $label != "$LABEL" ]]; then
      wrong "secret $secret has no label managed-by=$LABEL, so its account may not sign in" "./deploy.sh account $(username_of "$secret")"
      continue
    fi
    found=1
    check_account "$secret" "$expires" "$grant"
  done <<<"$1"
  if [[ -z $found ]]; then wrong "no account is allowed to sign in" "./deploy.sh account USERNAME"; fi
}

check_account() {  # check_account SECRET EXPIRES GRANT
  local name number state before=$PROBLEMS
  name="$(username_of "$1")"
  check_grants secret "$1"
  newest_version "$1"
  IFS='|' read -r number state <<<"$FOUND"
  case "$state" in
    ENABLED) ;;
    DISABLED) wrong "$name: the newest version ($number) is disabled, and readers of \"latest\" fail" "gcloud secrets versions enable $number --secret=$1" ;;
    *)
      wrong "$name: nobody has signed in yet" "open $PUBLIC_URL/login as $name"
      return
      ;;
  esac
  check_days "$name" "token" "$2"
  check_days "$name" "permission grant" "$3"
  if [[ $PROBLEMS -eq $before ]]; then good "$name"; fi
}

check_days() {  # check_days NAME WHAT UNTIL
  if [[ -z $3 ]]; then return; fi
  local left
  left="$(days_left "$3")"
  if [[ $(seconds_of "$3") -lt $(printf '%(%s)T' -1) ]]; then
    wrong "$1: the $2 expired at $3" "sign in again: $PUBLIC_URL/login"
  elif ((left < 14)); then
    wrong "$1: the $2 has $left days left (until $3)" "sign in again: $PUBLIC_URL/login"
  fi
}

# ------------------------------------------------------------------------------------------------ remove
remove() {
  local secrets
  account_secrets
  secrets="$(cut -d'|' -f1,2 <<<"$FOUND" | sed -n "s/|$LABEL\$//p")"
  cat <<TEXT
To be removed from project $PROJECT_ID ($REGION):
  services      threads-oauth, threads-refresh
  schedule      threads-refresh
  alerts        on errors, on silence; metric $METRIC; the e-mail channel that was made for them
  accounts      ${ACCOUNTS[*]}, with their rights; the custom roles
  images        repository $REPOSITORY
  app secret    $APP_SECRET
$(list_token_secrets "$secrets")
APIs stay on, and so does gcloud's bucket of uploaded sources (run-sources-$PROJECT_ID-$REGION).
TEXT
  confirm
  remove_service threads-oauth
  remove_service threads-refresh
  remove_job
  remove_alerts
  remove_token_secrets "$secrets"
  remove_app_secret
  remove_identities
  remove_repository
}

list_token_secrets() {
  local secret
  for secret in $1; do
    if [[ $WITH_SECRETS ]]; then echo "  TOKEN SECRET  $secret"; else echo "  (stays)       $secret"; fi
  done
}

confirm() {
  local answer=
  if [[ $ASSUME_YES || $DRY_RUN ]]; then return; fi
  if [[ -t 0 ]]; then read -rp 'Remove all this? [y/N] ' answer; fi
  if [[ $answer != [yY] ]]; then die "Nothing was removed."; fi
}

remove_service() {
  look gcloud run services describe "$1" --region="$REGION" --format='value(metadata.name)'
  if [[ -z $FOUND ]]; then return; fi
  run gcloud run services delete "$1" --region="$REGION"
  say removed "service $1"
}

remove_job() {
  look gcloud scheduler jobs describe threads-refresh --location="$REGION" --format='value(name)'
  if [[ -z $FOUND ]]; then return; fi
  run gcloud scheduler jobs delete threads-refresh --location="$REGION"
  say removed "job threads-refresh"
}

remove_alerts() {
  local name elsewhere
  alerts
  while IFS='|' read -r name _; do
    if [[ -z $name ]]; then continue; fi
    run "${POLICIES[@]}" delete "$name"
    say removed "alert $name"
  done <<<"$FOUND"
  look "${POLICIES[@]}" list --format='value(notificationChannels.list())'
  elsewhere="$FOUND"
  look "${CHANNELS[@]}" list --filter="userLabels.managed-by=\"$LABEL\"" --format='value(name)'
  for name in $FOUND; do
    if [[ -z $DRY_RUN && $elsewhere == *"$name"* ]]; then continue; fi   # an alert of somebody else's uses it
    run "${CHANNELS[@]}" delete "$name"
    say removed "channel $name"
  done
  look gcloud logging metrics describe "$METRIC" --format='value(name)'
  if [[ $FOUND ]]; then
    run gcloud logging metrics delete "$METRIC"
    say removed "metric $METRIC"
  fi
}

remove_token_secrets() {
  local secret
  for secret in $1; do
    if [[ $WITH_SECRETS ]]; then
      run gcloud secrets delete "$secret"
      say removed "secret $secret"
    else
      remove_grants secret "$secret"
    fi
  done
}

remove_app_secret() {
  look gcloud secrets describe "$APP_SECRET" --format='value(name)'
  if [[ -z $FOUND ]]; then return; fi
  run gcloud secrets delete "$APP_SECRET"
  say removed "secret $APP_SECRET"
}

# Before the accounts: a binding whose account is gone stays behind as "deleted:…".
remove_grants() {  # remove_grants KIND NAME
  local grant
  granted_on "$@"
  for grant in $FOUND; do
    if ! is_ours "${grant#*=}"; then continue; fi
    policy_of remove-iam-policy-binding "$@"
    run "${POLICY[@]}" --member="${grant#*=}" --role="${grant%%=*}"
    say removed "$2: ${grant#projects/*/}"
  done
}

remove_identities() {
  local emails name role id
  remove_grants project "$PROJECT_ID"
  look gcloud iam service-accounts list --format='value(email)'
  emails="$FOUND"
  for name in "${ACCOUNTS[@]}"; do
    if ! grep -qxF "$(email "$name")" <<<"$emails"; then continue; fi
    run gcloud iam service-accounts delete "$(email "$name")"
    say removed "service account $name"
  done
  for role in "${ROLES[@]}"; do
    id="${role%%|*}"
    look gcloud iam roles describe "$id" --project="$PROJECT_ID" --format='value[separator="|"](name,deleted)'
    if [[ -z $FOUND || $FOUND == *True ]]; then continue; fi
    run gcloud iam roles delete "$id" --project="$PROJECT_ID"
    say removed "role $id"
  done
}

remove_repository() {
  look gcloud artifacts repositories describe "$REPOSITORY" --location="$REGION" --format='value(name)'
  if [[ -z $FOUND ]]; then return; fi
  run gcloud artifacts repositories delete "$REPOSITORY" --location="$REGION"
  say removed "image repository $REPOSITORY"
}

# ------------------------------------------------------------------------------------------------ command line
usage() {
  cat <<'TEXT'
Usage: ./deploy.sh [--dry-run] [COMMAND]

  (none)             setup, then functions, then what to paste into Meta's dashboard
  setup              once, with an owner's rights: APIs, service accounts, roles, the app secret, the accounts
  functions          again and again, with few rights: both functions, the schedule, the alerts
  account NAME...    allow these Threads accounts; no redeploy
  status             each account with its dates, and the last run; reads no token
  check [-v]         find what is wrong and say how to mend it; fails if anything is
  remove [--yes] [--with-secrets]
                     take everything down; the tokens only with --with-secrets
  --dry-run          print the commands, change nothing

Settings (environment):
  PROJECT_ID           else gcloud's current project
  REGION               us-central1
  THREADS_APP_ID       the Threads App ID, needed by functions
  THREADS_APP_SECRET   asked for where none is stored; stored where it differs
  THREADS_USERNAMES    accounts to allow, with commas between them
  ALERT_EMAIL          who hears of errors and of silence
  THREADS_SCOPES, THREADS_AUTHORIZE_URL, THREADS_API_URL, REFRESH_AFTER_HOURS, REFRESH_BUDGET_SECONDS
                       passed on to the functions
TEXT
}

next_step() {
  cat <<TEXT

Paste into Meta's dashboard (Use cases → Access the Threads API → Customize → Settings), each without a slash at its end:
  Redirect Callback URLs   $PUBLIC_URL/callback
  Uninstall Callback URL   $PUBLIC_URL/uninstall
  Delete Callback URL      $PUBLIC_URL/delete
Press Enter after the first, so that it becomes a chip; then Save.

TEXT
  account_secrets
  if [[ -z $FOUND ]]; then
    echo "Next: ./deploy.sh account USERNAME, and then open $PUBLIC_URL/ and sign in."
  else
    echo "Next: open $PUBLIC_URL/ and sign in. ./deploy.sh check tells whether all is well."
  fi
}

bad_usage() {  # bad_usage WORDS...
  printf 'Not understood: %s. (--dry-run comes before the command.)\n\n' "$*" >&2
  usage >&2
  exit 2
}

main() {
  local command flag
  DRY_RUN='' VERBOSE='' ASSUME_YES='' WITH_SECRETS=''
  if [[ ${1:-} == --dry-run ]]; then
    DRY_RUN=1
    shift
  fi
  command="${1:-all}"
  shift || true
  case "$command" in
    -h | --help)
      usage
      return
      ;;
    all | setup | functions | status) if [[ $# -gt 0 ]]; then bad_usage "$command" "$@"; fi ;;
    account)
      if [[ $# -eq 0 ]]; then bad_usage "$command" "$@"; fi
      check_usernames "$@"
      ;;
    check | remove)
      for flag in "$@"; do
        case "$command $flag" in
          "check -v") VERBOSE=1 ;;
          "remove --yes") ASSUME_YES=1 ;;
          "remove --with-secrets") WITH_SECRETS=1 ;;
          *) bad_usage "$command" "$@" ;;
        esac
      done
      ;;
    *) bad_usage "$command" "$@" ;;
  esac
  settings
  if [[ $command == all || $command == functions ]]; then need_app_id; fi
  google_cloud
  case "$command" in
    all)
      need_app_secret
      setup
      functions
      next_step
      ;;
    setup)
      need_app_secret
      setup
      ;;
    account) for flag in "$@"; do allow "$flag"; done ;;
    functions) functions ;;
    status) status ;;
    check) check ;;
    remove) remove ;;
  esac
}

if ((BASH_VERSINFO[0] * 10 + BASH_VERSINFO[1] < 44)); then die "bash 4.4 or newer is needed (macOS: brew install bash)."; fi
shopt -s inherit_errexit   # a failure inside x="$(f)" stops the script as well
export CLOUDSDK_CORE_DISABLE_PROMPTS=1
export CLOUDSDK_CORE_SHOULD_PROMPT_TO_ENABLE_API=false   # or a deploy would turn APIs on by itself
HERE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
SCRATCH="$(mktemp -d)"   # for Google's messages; nothing secret is written there
trap 'rm -rf "$SCRATCH"' EXIT
main "$@"; exit   # on one line: bash has read it, whatever becomes of this file meanwhile
