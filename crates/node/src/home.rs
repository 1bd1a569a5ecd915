//! What one environment owns: an engine, the owners of its handles, its runs. Workers have their own.

use std::cell::{OnceCell, RefCell, RefMut};
use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;

use napi::sys;
use neuroxide_core::backend::Backend;
use neuroxide_core::engine::{ArgSpec, Engine, Glance, Handle, Info};
use neuroxide_core::error::Error;
use neuroxide_cpu::{CpuBackend, Options};

use crate::background::Background;
use crate::channel::Channel;
use crate::failure::{Failure, Outcome, check};
use crate::files::Shelf;
use crate::io::{self, Io};
use crate::panics;
use crate::training::Runs;
use crate::weak::Owners;

/// Counted for each live handle beside its bytes: a million tiny tensors are a leak too.
const HANDLE_COST: f64 = 512.0;
/// Load at which the first sweep is due, until the library sets its own threshold.
const FIRST_THRESHOLD: f64 = 268_435_456.0;

/// The anchor of an environment; callbacks and the way back from threads point at it.
pub struct Home {
    /// `None` once the environment has ended.
    state: RefCell<Option<State>>,
    channel: OnceCell<Channel>,
}

/// Everything that the JavaScript thread of an environment works on.
pub struct State {
    pub engine: Engine,
    pub io: Io,
    pub owners: Owners,
    pub runs: Runs,
    pub background: Background,
    pub shelf: Shelf,
    /// Load from which on a sweep is due.
    pub threshold: f64,
    /// Calls from JavaScript so far.
    pub calls: u64,
    /// Traces that became programs.
    pub traces: u64,
    pub backend: Arc<CpuBackend>,
    /// The arguments of the open trace.
    pub traced: Vec<ArgSpec>,
    /// Which arguments of each program are numbers.
    pub signatures: Vec<Vec<bool>>,
}

impl State {
    fn new() -> Outcome<Self> {
        let backend = CpuBackend::new(Options::default())?;
        Ok(Self {
            engine: Engine::new(Arc::clone(&backend) as Arc<dyn Backend>),
            io: Io::absent(),
            owners: Owners::default(),
            runs: Runs::default(),
            background: Background::default(),
            shelf: Shelf::default(),
            threshold: FIRST_THRESHOLD,
            calls: 0,
            traces: 0,
            backend,
            traced: Vec::new(),
            signatures: Vec::new(),
        })
    }

    /// Bytes of tensors plus a share for each handle.
    pub fn load(&self) -> f64 {
        self.engine.bytes().0 as f64 + HANDLE_COST * self.owners.live() as f64
    }

    /// Notes the owner of a new handle, and tells JavaScript when a sweep is due.
    pub fn adopt(&mut self, env: sys::napi_env, owner: sys::napi_value, handle: Handle) -> Outcome<()> {
        if let Err(failure) = self.owners.hold(env, owner, handle) {
            self.engine.release(handle);
            return Err(failure);
        }
        if self.load() > self.threshold {
            self.io.set(io::PRESSURE, 1.0);
        }
        Ok(())
    }

    /// Frees a handle and the reference to its owner.
    pub fn let_go(&mut self, env: sys::napi_env, handle: Handle) {
        self.owners.forget(env, handle);
        self.engine.release(handle);
    }

    /// Writes rank, element type, flags and sizes of a tensor into the shared array.
    pub fn describe(&mut self, handle: Handle) -> Outcome<()> {
        let seen = self.engine.glance(handle)?;
        let shape = &seen.ty.shape;
        if shape.len() > io::MAX_RANK {
            let rank = shape.len();
            let most = io::MAX_RANK;
            return Err(Error::Shape(format!("a tensor with {rank} dims; expected at most {most}")).into());
        }
        for (place, number) in (io::RANK..).zip(facts(seen)) {
            self.io.set(place, number);
        }
        for (axis, &size) in shape.iter().enumerate() {
            self.io.set(io::SIZES + axis, size as f64);
        }
        Ok(())
    }
}

/// Rank, element type and flags of a tensor, as both sides write and read them.
pub fn header(info: &Info) -> [f64; 3] {
    facts(info.glance())
}

fn facts(seen: Glance<'_>) -> [f64; 3] {
    let flags = u8::from(seen.requires_grad)
        | u8::from(seen.leaf) << 1
        | u8::from(seen.traced) << 2
        | u8::from(seen.ty.weak.is_some()) << 3
        | u8::from(seen.lent) << 4;
    [seen.ty.shape.len() as f64, f64::from(seen.ty.dtype as u8), f64::from(flags)]
}

impl Home {
    /// Sets an environment up; Node frees the result when the environment is destroyed.
    pub fn attach(env: sys::napi_env) -> Outcome<*const Self> {
        panics::silence();
        let home = Box::into_raw(Box::new(Self {
            state: RefCell::new(Some(State::new()?)),
            channel: OnceCell::new(),
        }));
        // SAFETY: `home` is a box of its own, which `destroy` takes back once.
        let status = unsafe { sys::napi_set_instance_data(env, home.cast(), Some(destroy), ptr::null_mut()) };
        if let Err(failure) = check(env, status) {
            // SAFETY: Node has not taken it.
            drop(unsafe { Box::from_raw(home) });
            return Err(failure);
        }
        let channel = Channel::open(env, home)?;
        // SAFETY: `home` lives until `destroy`.
        unsafe { &*home }.channel.get_or_init(|| channel);
        // Added after the queue was made, so it runs before the queue closes: hooks run in reverse order.
        // SAFETY: `home` outlives the hooks, which run before the environment's data is freed.
        check(env, unsafe { sys::napi_add_env_cleanup_hook(env, Some(end), home.cast()) })?;
        Ok(home)
    }

    /// The state, exclusively.
    pub fn state(&self) -> Outcome<RefMut<'_, State>> {
        let state = self
            .state
            .try_borrow_mut()
            .map_err(|_| Error::Internal("a native call within another one".into()))?;
        RefMut::filter_map(state, Option::as_mut)
            .map_err(|_| Failure::Core(Error::Disposed("the environment has ended".into())))
    }

    pub fn channel(&self) -> &Channel {
        self.channel.get().expect("set when the environment was set up, before any call")
    }
}

/// The environment ends: threads of its own are stopped and joined, then everything goes.
unsafe extern "C" fn end(data: *mut c_void) {
    // SAFETY: the hook was added with the environment's `Home`, which `destroy` frees only later.
    let home = unsafe { &*data.cast::<Home>() };
    // A panic has nobody to report to here, and must not reach Node.
    let _ = panics::caught(|| {
        if let Ok(mut state) = home.state.try_borrow_mut()
            && let Some(mut state) = state.take()
        {
            state.runs.stop();
            state.background.stop();
        }
        Ok::<(), Error>(())
    });
}

/// The environment is gone.
unsafe extern "C" fn destroy(_env: sys::napi_env, data: *mut c_void, _hint: *mut c_void) {
    // SAFETY: the box made in `attach`, freed once, after the last callback.
    drop(unsafe { Box::from_raw(data.cast::<Home>()) });
}
