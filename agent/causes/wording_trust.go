package causes

import "github.com/fairlead/fairlead/platform"

// trustWords are the words of faults between a program and those it asks: refused logins, limits, outages, certificates, clocks.
var trustWords = []signature{
	{platform.CategoryBadCredentials, 0.85, `
ora-01017
ora-28000
ora-28001
ora-28002
ora-01045
ora-28003
the password has expired
password has expired
password expired
your password has expired
the account is locked
the login is from an untrusted domain
cannot open database*requested by the login
error 18456
error: 18456
er_access_denied_error
er_must_change_password
your password has expired. to log in you must change it
(1045,
error 1045
sqlstate[hy000] [1045]
sqlstate 28p01
sqlstate 28000
mongoservererror: authentication failed
scram*authentication failed
scram-sha*mismatch
unable to authenticate using mechanism
provided username*and/or password are incorrect
security_exception*unable to authenticate
unable to authenticate user
missing authentication credentials for rest request
topicauthorizationexception
groupauthorizationexception
clusterauthorizationexception
topic_authorization_failed
login was refused using authentication mechanism
user*authentication failed
nats: authorization violation
authorization violation
user authentication expired
noperm
nopermission
err invalid password
err client sent auth
unrecognizedclientexception
invalidclienttokenid
expiredtokenexception
invalididentitytoken
aadsts7000222
aadsts7000215
aadsts700016
authenticationfailed: server failed to authenticate the request
server failed to authenticate the request
invalid jwt signature
reauth related error
default credentials were not found
could not find default credentials
defaultcredentialserror
token exchange failed
smtpauthenticationerror
535 5.7
535 authentication
invalid login: 535
ldap: error code 49
ldap_bind: invalid credentials
preauthentication failed
client not found in kerberos database
permission denied (publickey
could not read username for
authentication failed for 'https
vault*permission denied
invalid api token
api token*invalid
access token*expired
refresh token*expired
refresh token*revoked
secret*has expired
client secret*expired
key has been disabled
password authentication failed
access denied for user
expiredtoken
security token included in the request is expired
security token included in the request is invalid
invalid api key
incorrect api key
invalid_api_key
invalid x-api-key
api key*invalid
api key*expired
api key*revoked
api key not valid
authentication failed
authentication_error
authenticationerror
auth failed
authentication error
wrongpass
noauth authentication required
invalidaccesskeyid
signaturedoesnotmatch
sasl authentication
saslauthenticationexception
invalid_client
invalid_grant
invalid_token
invalid token
token has expired
token is expired
token expired
token has been revoked
bad credentials
invalid credentials
invalid username or password
invalid password
credentials*expired
login failed for user
access_refused
gatedrepoerror
is restricted*gated
401 client error
401 unauthorized
status code 401
status=401
http 401
returned 401
responded with 401
unable to locate credentials
could not load credentials
unauthenticated
permission denied for relation
permission denied for table
pg::insufficientprivilege
role*does not exist
unauthorizedexception
jwt expired
jwt signature does not match
signature verification failed
invalid signature
no pg_hba.conf entry
user*cannot be authenticated`, "not yet valid\nclock\nskew\nissued in the future\ntoo skewed\nimage\nregistry\nbefore issued"},
	{platform.CategoryBadCredentials, 0.55, `
403 forbidden
permission_denied
accessdenied
access denied
unauthorized
forbidden
authorization failed`, "image\nregistry\npull\n/health\nprobe\nfile\ndirectory"},
	{platform.CategoryUpstream5xx, 0.75, `
error code: 529
status_code: 503
statuscode: 503
statuscode=503
status_code=503
status_code: 500
statuscode: 500
answered 500
answered 502
answered 503
answered 504
internalfailure
serverbusy
azure*serverbusy
backenderror
unexpected status 5
unexpected status code 5
non-2xx*50
upstream*5xx
request failed with status code 5
server returned http response code: 5
experiencing high load
service is overloaded
overloaded_error
529
upstream returned 5
upstream responded 5
upstream request failed*5
upstream error*50
upstream*503
upstream*502
upstream*500
upstream*504
returned 503
returned 502
returned 500
returned 504
responded with 503
responded with 502
responded with 500
status code 503
status code 502
status code 500
status code: 503
status code: 500
status=503
status=502
http 503
http 502
http 500
http 504
503 service unavailable
502 bad gateway
500 internal server error
504 gateway timeout
503 server error
502 server error
500 server error
504 server error
bad gateway
service unavailable
server had an error while processing
internalservererror
apistatuserror
serviceunavailableerror
api_error
apiconnectionerror
apitimeouterror
error code: 503
error code: 500
error code: 502
gateway timeout
partner api
provider outage
provider error
the engine is currently overloaded
model is overloaded
the model is currently overloaded
internalerror*please try again
we encountered an internal error
please reduce your request rate*503`, "429\nrate limit\nhealth\nprobe"},
	{platform.CategoryRateLimited, 0.85, `
toomanyrequestsexception
toomanyrequests
too_many_requests
rateexceeded
quotaexceeded
userratelimitexceeded
ratelimitexceeded
concurrent request limit
concurrency limit exceeded
limitexceededexception
throttlederror
operation rate limit
request rate is large
429 client error
error code: 429
status code 429
status=429
http 429
daily limit
monthly limit
usage limit reached
credit balance is too low
es_rejected_execution_exception
429
too many requests
ratelimiterror
rate limit
rate_limit
ratelimit
rate-limit
rate limited
insufficient_quota
quota exceeded
exceeded your current quota
exceeded quota
throttlingexception
throttling: rate exceeded
rate exceeded
requestlimitexceeded
provisionedthroughputexceeded
slowdown: please reduce
please reduce your request rate
resource_exhausted: quota
resourceexhausted: 429
throttled by
request was throttled
requests per minute
requests per min
tokens per min
tokens per minute
retry-after`, "pull\nregistry\nimage\nsent by us\nmanifest"},
	{platform.CategoryCertExpired, 0.95, `
:certificate_expired
tls_alert*expired
alert: certificate expired
received alert certificate expired
expired certificate
certificate is not valid: expired
cert_expired
validity check failed
the certificate is not currently valid
sec_e_cert_expired
remote certificate is invalid*nottimevalid
nottimevalid
peer's certificate has expired
invalidcertificate(expired)
invalid peer certificate: expired
certexpired
ora-29024
certificate has expired
certificate*has expired
certificate is expired
certificate expired
cert has expired
cert*expired
cert_has_expired
certificate_expired
certificateexpiredexception
certificate was expired
sec_error_expired_certificate
err_cert_date_invalid
certificate validity
path does not chain*expired
certificate verify failed: certificate has expired
notafter:
ssl alert number 45
sslv3 alert certificate expired
tls: expired certificate
acme*ratelimited
acme*rejected
unable to renew certificate
failed to renew certificate
certificate renewal failed`, "is before\ncertificate is not yet valid"},
	{platform.CategoryClockSkew, 0.93, `
not yet valid: current time*is before`, ""},
	{platform.CategoryClockSkew, 0.92, `
krb_ap_err_skew
clock skew too great
aadsts700024
clock skew detected
client clock*ahead
hlc*offset
clock synchronization error
notbefore*in the future
request has expired*x-amz-date
not yet valid
requesttimetooskewed
request time too skewed
clock skew
clock is ahead
clock is behind
clock drift
clock offset
time drift
time skew
token used before issued
used before issued
issued in the future
iat*future
nbf*future
immaturesignatureerror
the token is not yet valid
difference between the request time and the current time
signature not yet current
signature expired:*is now earlier than
clock synchroni
system clock
clocks are out of sync
ntp*unsynchroni
ntp*not synchroni
can't synchronise
chronyd*offset
timestamp*in the future
timestamp for this request is outside
timestamp is too far
future timestamp
time jumped
clock jumped
kdc*skew
invalid timestamp*ahead`, "has expired or is not yet valid: current time\nhas expired or is not yet valid: certificate has"},
}
