# shellcheck shell=bash
# What Google's messages mean: what is only not there, what passes by itself, and what to do about the rest.

readonly CONSOLE=https://console.cloud.google.com

# Google's words. "(or it may not exist)" ends many a plain 403, and gcloud puts it into the rest: so it is waited for
# only where it is said of an account, after one was made.
readonly NOT_THERE='NOT_FOUND|[Nn]ot found|Cannot find|does not exist|Unknown service account'
readonly API_OFF='SERVICE_DISABLED|has not been used in project|it is disabled|is not enabled'
readonly JUST_MADE='[Ss]ervice account .*does not exist|Unknown service account|Role .*does not exist'
readonly MAYBE_NEW='erviceAccounts.*may not exist|entity was not found'
readonly ACTING='[aA]ccounts\.actAs|permission to act as'
readonly READING='storage\.objects\.get|could not resolve source|ermission denied on secret|missing required IAM'
readonly AGENTS='permission to (get access tokens|read the image)'   # of Google's own accounts, new as the API is
readonly RIGHT_UNDER_WAY="$ACTING|$READING|$AGENTS"
readonly METRIC_UNKNOWN='Cannot find metric|metric referenced by the provided filter is unknown'
readonly PASSING='UNAVAILABLE|[Ii]nternal error|try again later|RESOURCE_EXHAUSTED|Quota exceeded'
# gcloud ends each 403 with "which is the active account", so these two words alone say nothing.
readonly SIGNED_OUT='account selected|valid credentials|invalid_grant|[Rr]eauth|problem refreshing|UNAUTHENTICATED'
readonly UNREACHABLE='Max retries exceeded|Unable to find the server|onnection (refused|reset|aborted|timed out|broken)'
readonly MEANWHILE='ALREADY_EXISTS|already exists|Conflict for resource|concurrent'
readonly DENIED='PERMISSION_DENIED|does not have permission|ermission.*denied|403|lacks'

absent() { [[ $1 =~ $NOT_THERE || (! $APIS_ON && $1 =~ $API_OFF) ]]; }

# passes MESSAGE TRY: waits, and says what for, where Google's answer will be another one soon; fails where it will not.
# Google on rights: "typically 2 minutes, potentially 7 minutes or longer". A metric may take ten.
passes() {
  local what seconds=5 tries=36
  if [[ $1 =~ concurrent\ (policy\ )?changes ]]; then
    what="somebody else is changing the same policy" seconds=2 tries=10
  elif [[ $1 =~ $RIGHT_UNDER_WAY ]]; then
    what="a right that was given a moment ago has not arrived yet" seconds=20 tries=30
    # setup gives this one to threads-build alone: a person who lacks it waits for nothing.
    if [[ $1 =~ $ACTING && -z $FRESH && $ACCOUNT != threads-build@* ]]; then tries=6; fi
  elif [[ $1 =~ $METRIC_UNKNOWN ]]; then
    what="Monitoring does not know the new metric yet" seconds=30 tries=21
  elif [[ $1 =~ $JUST_MADE || ($FRESH && $1 =~ $MAYBE_NEW) ]]; then
    what="IAM does not know yet what was just made"
  elif [[ $APIS_ON && $1 =~ $API_OFF ]]; then
    what="an API that was turned on a moment ago is not there yet" seconds=10 tries=30
  elif [[ $1 =~ $PASSING ]]; then
    what="Google has a fault that may pass" seconds=15 tries=5
  else
    return 1
  fi
  if [[ $2 -ge $tries ]]; then return 1; fi
  note "waiting  $what (try $2 of $tries, $seconds s each)"
  sleep "$seconds"
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

advice() {  # advice MESSAGE COMMAND: the first that knows the message
  account_advice "$1" || policy_advice "$@" || waiting_advice "$1" || build_advice "$1" || denied_advice "$@" ||
    echo "see the message above; \`gcloud --verbosity=debug\` says more."
}

account_advice() {  # of who asks, and of what the project lacks
  if [[ $1 =~ $UNREACHABLE ]]; then
    echo "Google could not be reached: see to the network, or to the proxy that gcloud uses."
  elif [[ $1 =~ $SIGNED_OUT ]]; then
    echo "gcloud is not signed in: gcloud auth login"
  elif [[ $1 == *"Failed to impersonate"* ]]; then
    echo "gcloud acts as another account, which $ACCOUNT may not use. To act as oneself:"
    echo "  gcloud config unset auth/impersonate_service_account"
  elif [[ $1 == *[Bb]illing* ]]; then
    echo "link a billing account: $CONSOLE/billing/linkedaccount?project=$PROJECT_ID"
  elif [[ $1 == *"erms of Service"* || $1 == *TOS_NOT_ACCEPTED* ]]; then
    echo "sign in at $CONSOLE as $ACCOUNT once, and accept Google Cloud's terms there."
  elif [[ $1 =~ equire[sd].*components|installation\ of\ components ]]; then
    echo "gcloud lacks a component: gcloud components install alpha"
  else
    return 1
  fi
}

policy_advice() {  # policy_advice MESSAGE COMMAND: what an organisation forbids, and what helps there
  case "$1" in
    *gcp.resourceLocations*)
      echo "an organisation policy (constraints/gcp.resourceLocations) does not allow this place. Run again with a"
      echo "REGION that it allows; ask whoever administers the organisation which those are."
      ;;
    *restrictNonCmekServices* | *"KMS CryptoKey"*)
      key_advice "$2"
      ;;
    *disableServiceAccountCreation* | *"ervice account creation is not allowed"*)
      echo "an organisation policy (constraints/iam.disableServiceAccountCreation) forbids new service accounts. Have"
      echo "project $PROJECT_ID excepted, or have these four made; what is there is used as it is:"
      echo "  ${ACCOUNTS[*]}"
      ;;
    *requireInvokerIam*allowedPolicyMember* | *requireInvokerIam*"permitted customer"*)
      echo "Meta has to reach the sign-in page, and two organisation policies forbid both ways to make it public. Have"
      echo "project $PROJECT_ID excepted from one of them: constraints/run.managed.requireInvokerIam, or the one on"
      echo "members (constraints/iam.allowedPolicyMemberDomains or iam.managed.allowedPolicyMembers). All else is made."
      ;;
    *"permitted customer"* | *allowedPolicyMember*)
      echo "an organisation policy (constraints/iam.allowedPolicyMemberDomains or iam.managed.allowedPolicyMembers)"
      echo "forbids a member, perhaps one that was there before. Have project $PROJECT_ID excepted from it, or its own"
      echo "accounts allowed by it."
      ;;
    *) other_policy_advice "$1" ;;
  esac
}

key_advice() {  # key_advice COMMAND
  local make='' place=global
  case "$1" in
    *"secrets create"*)
      make="gcloud secrets create $WANTED_SECRET --project=$PROJECT_ID --replication-policy=automatic --kms-key-name"
      ;;
    *"repositories create"*)
      make="gcloud artifacts repositories create $REPOSITORY --project=$PROJECT_ID --location=$REGION"
      make+=" --repository-format=docker --kms-key" place="$REGION"
      ;;
  esac
  echo "an organisation policy (constraints/gcp.restrictNonCmekServices) wants a key of your own for this."
  if [[ $make ]]; then
    echo "Make it with one, and run again: what is there is used as it is."
    echo "  $make=projects/PROJECT/locations/$place/keyRings/RING/cryptoKeys/KEY"
  else
    echo "Have project $PROJECT_ID excepted from it for the service that the message names."
  fi
}

other_policy_advice() {
  local constraint
  constraint="$(grep -oE '(custom|c)[cC]?onstraints/[A-Za-z.]+' <<<"$1" | head -n 1 || true)"
  if [[ $1 == *vpcServiceControls* || $1 == *VPC_SERVICE_CONTROLS* ]]; then
    echo "a perimeter of the organisation (VPC Service Controls) forbids this from here. Have $ACCOUNT let in, or run"
    echo "this from inside. Its administrators find the case by the identifier in the message."
  elif [[ $constraint || $1 == *"org policy"* || $1 == *rganization*polic* ]]; then
    echo "an organisation policy${constraint:+ ($constraint)} forbids this. Have project $PROJECT_ID excepted from it."
  else
    return 1
  fi
}

waiting_advice() {  # what was waited for and did not come
  if [[ $1 == *"in a deleted state"* || $1 == *"can't undelete"* ]]; then
    echo "somebody deleted this role. Google undeletes one for 7 days and keeps its id for 37: wait those, or use"
    echo "another project. (./deploy.sh remove deletes no role.)"
  elif [[ $1 =~ $ACTING && $ACCOUNT != threads-build@* ]]; then
    echo "$ACCOUNT may not act as the account that the message names. An owner may, and threads-build may."
  elif [[ $1 =~ $RIGHT_UNDER_WAY ]]; then
    echo "a right takes minutes to arrive, and this one was waited for: try again. If it stays so, ./deploy.sh setup"
    echo "gives it again."
  elif [[ $1 =~ $API_OFF ]]; then
    echo "an API is off. ./deploy.sh setup turns it on; it takes up to a few minutes to arrive."
  elif [[ $1 =~ $METRIC_UNKNOWN ]]; then
    echo "Google needs up to ten minutes to know a new metric: try again then."
  elif [[ $1 =~ $JUST_MADE || ($FRESH && $1 =~ $MAYBE_NEW) ]]; then
    echo "if ./deploy.sh setup has not run yet, run it; if it has just run, IAM needs some minutes to know what is new."
    if [[ $1 =~ $MAYBE_NEW ]]; then echo "If it stays so, $ACCOUNT lacks a right, which an owner has."; fi
  else
    return 1
  fi
}

build_advice() {
  if [[ $1 == *"cannot run builds in this region"* ]]; then
    echo "Google lets a new project build in a few regions only. Run again with one of these as REGION: us-central1,"
    echo "us-west2, europe-west1, asia-east1, australia-southeast1, southamerica-east1; or ask Google for build quota."
  elif [[ $1 == *"uild failed"* || $1 == *FAILURE* ]]; then
    echo "read the build's log (Cloud Build → History in the console). What was deployed before still runs."
  elif [[ $1 == *"is not ready and cannot serve"* || $1 == *"failed to start"* ]]; then
    echo "it was built, and it does not start: its log says why (Cloud Run → the service → Logs in the console)."
    echo "What was deployed before still runs."
  elif [[ $1 =~ $PASSING ]]; then
    echo "Google has a fault, or a quota is used up: try again in some minutes."
  elif [[ $1 =~ $MEANWHILE ]]; then
    echo "somebody else, or another run of this script, has changed the same thing meanwhile: run it again, alone."
  else
    return 1
  fi
}

denied_advice() {
  if [[ ! $1 =~ $DENIED ]]; then return 1; fi
  echo "$ACCOUNT may not do \"$2\" in project $PROJECT_ID."
  if [[ $COMMAND == status || $COMMAND == check ]]; then
    echo "status needs roles/viewer on the project; check needs roles/iam.securityReviewer as well."
    return
  fi
  echo "setup, account, forget and remove need an owner; so does the first deploy. Later deploys can run as"
  echo "threads-build, which ./deploy.sh setup gives its rights; else ask for the role that the message names."
}
