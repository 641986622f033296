//! What `skopeo` asks for: manifests and blobs of one repository of a registry (OCI distribution specification), and, through this as
//! its proxy, what is named elsewhere: signatures and layers that are in no registry.

use super::{Door, Request, pass_on, say};
use crate::FetchContext;
use crate::download::{Engine, Failure, Security};
use crate::registry::Registry;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use osbuild_wasm_files::with_causes;
use osbuild_wasm_manifest::location::{Location, authority};
use osbuild_wasm_registry::{Access, Demand, LARGEST_ANSWER, Login, Scope, demand, token};
use osbuild_wasm_store::Scratch;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Response, StatusCode};
use std::cell::RefCell;
use std::io::Result;
use std::path::PathBuf;
use tokio::io::{AsyncWriteExt, copy_bidirectional};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;

/// What of a request the registry is told: which kinds of manifests are understood, and where a blob is continued.
const ASKED: [&str; 2] = ["accept", "range"];

/// What of its answer `skopeo` is told.
const ANSWERED: [&str; 3] = ["content-type", "content-range", "docker-content-digest"];

/// A registry for one run of `skopeo`.
pub(crate) struct Gateway<'a> {
    door: Door,
    engine: &'a Engine<'a>,
    registry: &'a Registry,
    security: Security,
    login: RefCell<Login>,
    access: RefCell<Access>,
    /// The server, once it is known how it is spoken to.
    server: OnceCell<Location>,
    settings: Scratch,
}

impl<'a> Gateway<'a> {
    /// Listens; nothing is answered before [`Gateway::serve`].
    pub(crate) async fn open(
        engine: &'a Engine<'a>,
        registry: &'a Registry,
        context: &FetchContext<'_>,
        module: &str,
    ) -> std::result::Result<Self, String> {
        let settings = context.store.scratch("registries");
        let gateway = Self {
            door: Door::open().await?,
            engine,
            security: registry.security(),
            registry,
            login: RefCell::new(registry.login(context, module)?),
            access: RefCell::new(Access::Anonymous),
            server: OnceCell::new(),
            settings: settings.map_err(|error| with_causes(&error))?,
        };
        gateway
            .write_settings()
            .map_err(|error| format!("cannot lead skopeo to {}: {error}", registry.name))?;
        Ok(gateway)
    }

    /// Leads the name of the image here (containers-registries.conf(5)), which leaves it its name where signatures are judged.
    fn write_settings(&self) -> Result<()> {
        let (image, here) = (self.registry.image(), self.place()?);
        let text =
            format!("[[registry]]\nprefix = \"{image}\"\nlocation = \"{here}\"\ninsecure = true\n");
        std::fs::write(self.settings(), text)
    }

    /// The file of these settings.
    pub(crate) fn settings(&self) -> PathBuf {
        self.settings.path().join("registries.conf")
    }

    /// What the repository is called here.
    fn place(&self) -> Result<String> {
        let (port, secret) = (self.door.port()?, &self.door.secret);
        Ok(format!("127.0.0.1:{port}/{secret}"))
    }

    /// The URL of this as a proxy.
    pub(crate) fn proxy(&self) -> std::result::Result<String, String> {
        let port = self.door.port().map_err(|error| error.to_string())?;
        Ok(format!(
            "http://skopeo:{}@127.0.0.1:{port}",
            self.door.secret
        ))
    }

    /// What went wrong, in words that name the registry.
    pub(crate) fn told(&self, problem: &str) -> String {
        let here = self.place().unwrap_or_default();
        let problem = problem.replace(&here, &self.registry.image());
        match &*self.door.problem.borrow() {
            Some(reason) => format!("{problem}; {reason}"),
            None => problem,
        }
    }

    /// Answers until it is dropped.
    pub(crate) async fn serve(&self) {
        let answer = async |request, stream| self.answer(request, stream).await;
        self.door.serve(answer).await;
    }

    async fn answer(&self, request: Request, mut stream: TcpStream) -> Result<()> {
        if !request.target.starts_with('/') {
            return self.answer_elsewhere(&request, stream).await;
        }
        if request.target == "/v2/" {
            return say(&mut stream, StatusCode::OK).await;
        }
        let path = request.target.strip_prefix("/v2/");
        let path = path.and_then(|path| path.strip_prefix(&*self.door.secret)?.strip_prefix('/'));
        let Some(path) = path.filter(|_| request.method == "GET") else {
            return say(&mut stream, StatusCode::NOT_FOUND).await;
        };
        match self.ask(path, &request).await {
            Ok(response) => self.pass(response, &mut stream).await,
            Err((location, failure)) => self.refuse(&location, &failure, &mut stream).await,
        }
    }

    /// What `skopeo` is told is worth a repetition or not, as the failure is.
    async fn refuse(
        &self,
        location: &Location,
        failure: &Failure,
        stream: &mut TcpStream,
    ) -> Result<()> {
        self.door.failed(location, failure);
        let status = match failure {
            Failure::Lasting(_) => StatusCode::FORBIDDEN,
            _ => StatusCode::BAD_GATEWAY,
        };
        say(stream, status).await
    }

    async fn pass(&self, response: Response, stream: &mut TcpStream) -> Result<()> {
        let line = self.engine.line(&self.security);
        let length = response.content_length();
        if let Err(failure) = line.expect(length.unwrap_or_default()) {
            return self.refuse(&self.registry.server, &failure, stream).await;
        }
        pass_on(response, &ANSWERED, stream, |bytes| line.receive(bytes)).await
    }

    /// Asks the registry, and once more with what it wants to be shown.
    async fn ask(
        &self,
        path: &str,
        request: &Request,
    ) -> std::result::Result<Response, (Location, Failure)> {
        let server = self.server().await?;
        let lasting = |problem| (server.clone(), Failure::Lasting(problem));
        let path = format!("v2/{}/{path}", self.registry.repository);
        let location = server.below(&path).map_err(lasting)?;
        let line = self.engine.line(&self.security);
        let failed = |failure| (location.clone(), failure);
        let response = line
            .get(&location, self.headers(request))
            .await
            .map_err(failed)?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        self.satisfy(server, response.headers()).await?;
        line.get(&location, self.headers(request))
            .await
            .map_err(failed)
    }

    /// The server of the registry; where no certificate is asked for, it may speak without TLS.
    async fn server(&self) -> std::result::Result<&Location, (Location, Failure)> {
        let find = async || {
            let server = &self.registry.server;
            let Some(clear) = self.registry.in_clear() else {
                return Ok(server.clone());
            };
            let line = self.engine.line(&self.security);
            let failed = |failure| (server.clone(), failure);
            line.client(server)
                .map_err(|problem| failed(Failure::Lasting(problem)))?;
            let answered = line.ask(server, HeaderMap::new()).await.is_ok();
            Ok(if answered { server.clone() } else { clear })
        };
        self.server.get_or_try_init(find).await
    }

    fn headers(&self, request: &Request) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in &request.headers {
            if ASKED.contains(&&**name)
                && let (Ok(name), Ok(value)) =
                    (HeaderName::try_from(name), HeaderValue::try_from(value))
            {
                headers.append(name, value);
            }
        }
        let shown = match &*self.access.borrow() {
            Access::Anonymous => None,
            Access::Login { user, password } => Some(basic(user, password)),
            Access::Token(token) => Some(format!("Bearer {token}")),
        };
        if let Some(Ok(shown)) = shown.map(HeaderValue::try_from) {
            headers.insert(AUTHORIZATION, shown);
        }
        headers
    }

    /// Gets what the registry wants to be shown, from a server that may be asked.
    async fn satisfy(
        &self,
        server: &Location,
        wants: &HeaderMap,
    ) -> std::result::Result<(), (Location, Failure)> {
        let login = self.login.borrow().clone();
        let demanded = self.demanded(server, wants, &login);
        let lasting = |problem| (server.clone(), Failure::Lasting(problem));
        let access = match (demanded, login) {
            (Ok(Demand::Login), Login::Password { user, password }) => {
                Access::Login { user, password }
            }
            (Ok(Demand::Token(realm)), login) => {
                let token = self.token(&realm, &login).await;
                Access::Token(token.map_err(|failure| (realm, failure))?)
            }
            (Ok(_), _) => Access::Anonymous,
            (Err(problem), _) => return Err(lasting(problem)),
        };
        *self.access.borrow_mut() = access;
        Ok(())
    }

    /// What is wanted of the user; without the login, if it may not be told.
    fn demanded(
        &self,
        server: &Location,
        wants: &HeaderMap,
        login: &Login,
    ) -> std::result::Result<Demand, String> {
        let repository = &self.registry.repository;
        let demanded = |login| demand(wants, server, repository, Scope::Pull, login);
        let Err(problem) = demanded(login) else {
            return demanded(login);
        };
        if *login == Login::None {
            return Err(problem);
        }
        let told = format!(
            "{}: the login for it is not used: {problem}\n",
            self.registry.name
        );
        self.engine.log(told);
        *self.login.borrow_mut() = Login::None;
        demanded(&Login::None)
    }

    async fn token(&self, realm: &Location, login: &Login) -> std::result::Result<String, Failure> {
        let mut headers = HeaderMap::new();
        if let Login::Password { user, password } = login {
            let shown = HeaderValue::try_from(basic(user, password));
            headers.extend(shown.ok().map(|shown| (AUTHORIZATION, shown)));
        }
        let line = self.engine.line(&self.security);
        // A redirect is an answer like others: a login goes where it was sent, and nowhere else.
        let mut response = line.ask(realm, headers).await?;
        let wrong = |problem: &str| Failure::Lasting(format!("it gives no token: {problem}"));
        if !response.status().is_success() {
            return Err(wrong(&format!("it answered {}", response.status())));
        }
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            answer.extend_from_slice(&chunk);
            if answer.len() > LARGEST_ANSWER {
                return Err(wrong(&format!("it is larger than {LARGEST_ANSWER} bytes")));
            }
        }
        token(&answer).map_err(|problem| wrong(&problem))
    }

    /// Answers as a proxy; only `skopeo` knows what is shown to it.
    async fn answer_elsewhere(&self, request: &Request, mut stream: TcpStream) -> Result<()> {
        let known = basic("skopeo", &self.door.secret);
        if request.header("proxy-authorization") != Some(&known) {
            return say(&mut stream, StatusCode::PROXY_AUTHENTICATION_REQUIRED).await;
        }
        let is_tunnel = request.method == "CONNECT";
        let target = match is_tunnel {
            true => authority(&request.target).map(|host| format!("https://{host}/")),
            false => Some(request.target.clone()),
        };
        let Some(Ok(location)) = target.map(|target| Location::parse(&target)) else {
            return say(&mut stream, StatusCode::BAD_REQUEST).await;
        };
        let line = self.engine.line(&self.security);
        if is_tunnel {
            return match line.dial(&location).await {
                Ok(server) => tunnel(stream, server).await,
                Err(failure) => self.refuse(&location, &failure, &mut stream).await,
            };
        }
        match line.get(&location, HeaderMap::new()).await {
            Ok(response) => self.pass(response, &mut stream).await,
            Err(failure) => self.refuse(&location, &failure, &mut stream).await,
        }
    }
}

async fn tunnel(mut client: TcpStream, mut server: TcpStream) -> Result<()> {
    client.write_all(b"HTTP/1.1 200 -\r\n\r\n").await?;
    copy_bidirectional(&mut client, &mut server).await.map(drop)
}

/// A login as a header has it (RFC 7617).
fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}
